"""A drive at one time as a figure: bird's eye around the ego, a camera, what decides metrics."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Polygon
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from reworld_agent.analysis.figures import bev, style
from reworld_agent.analysis.figures.labels import Label, place
from reworld_agent.analysis.figures.readings import class_handles, reading
from reworld_agent.analysis.figures.style import OTHER, PLAN, WHO
from reworld_agent.analysis.player.contract import MovingScene
from reworld_agent.analysis.player.packing import pixels, unpack_path, unpack_poses
from reworld_agent.pdm.world.margins import corners_of, ego_corners

Array = NDArray[np.float64]
Packed = Mapping[str, Any]
_WIDE_M = 76.0  # of what is shown around the ego
_WIDE_BOX, _NARROW_BOX = (0.075, 0.2, 0.915, 0.64), (0.075, 0.2, 0.53, 0.64)
_CAMERA_BOX = (0.62, 0.2, 0.37, 0.64)
_SHOWN_STEPS = 10  # around a failure, while it is marked
_PER_LIGHT = 5  # steps between two states of a signal
_LETTERS = 120


def first_failure(scene: MovingScene) -> int | None:
    """The step of what is lost first, by whichever agent; None where nothing is."""
    drives = scene.packed["drives"]
    steps = [own["failed"]["step"] for drive in drives for own in drive["metrics"] if own["failed"]]
    return min(min(steps), scene.packed["steps"] - 1) if steps else None


def at(scene: MovingScene, step: int) -> Figure:
    """The drive, and that of another agent, at a step of its time line."""
    packed = scene.packed
    figure = Figure(figsize=(7.2, 4.8), dpi=100)
    film = packed["films"][0] if packed["films"] else None
    axes = figure.add_axes(_WIDE_BOX if film is None else _NARROW_BOX)
    who = {
        name: unpack_poses(drive["poses"])
        for name, drive in zip((PLAN, OTHER), packed["drives"], strict=False)
    }
    now = {name: poses[min(step, len(poses) - 1)] for name, poses in who.items()}
    _window(axes, now[PLAN])
    _draw_ground(axes, packed, step)
    for name, poses in who.items():
        axes.plot(*poses[:, :2].T, linewidth=0.8, alpha=0.5, zorder=4.8, **WHO[name])
        axes.plot(*poses[: step + 1, :2].T, linewidth=1.8, zorder=5, **WHO[name])
    _draw_plan(axes, packed["drives"][0], step)
    failures = [*_failing(packed, step)]
    _draw_tracks(axes, packed, step, {own["track"] for *_, own in failures})
    for name, pose in now.items():
        bev.draw_ego(axes, pose, name)
    _name(axes, packed, step, now, failures)
    if film is not None:
        _draw_camera(figure, scene, film, step)
    _write(figure, packed, step)
    return figure


def _window(axes: Axes, ego: Array) -> None:
    """Around the ego, as wide as the axes are."""
    box, figure = axes.get_position(), axes.get_figure(root=True)
    assert figure is not None
    size = figure.get_size_inches()
    wide = _WIDE_M * box.width / _WIDE_BOX[2]
    high = wide * box.height * size[1] / (box.width * size[0])
    axes.set_xlim(ego[0] - wide / 2, ego[0] + wide / 2)
    axes.set_ylim(ego[1] - high / 2, ego[1] + high / 2)
    axes.set_aspect("equal", adjustable="box")
    axes.tick_params(labelsize=style.SMALL - 1)
    axes.set_xlabel("forward [m]", fontsize=style.SMALL)
    axes.set_ylabel("left [m]", fontsize=style.SMALL)
    axes.set_autoscale_on(False)


def _draw_ground(axes: Axes, packed: Packed, step: int) -> None:
    ground = packed["ground"]
    for layer, colour in (("park", style.PARK), ("road", style.ROAD)):
        patches = [PathPatch(outline) for outline in _areas(ground.get(layer, ()))]
        look: dict[str, Any] = {"facecolor": colour, "edgecolor": "none", "zorder": 1}
        axes.add_collection(PatchCollection(patches, **look))
    lanes = [unpack_path(ring) for ring in ground.get("lane", ())]
    edge: dict[str, Any] = {"facecolors": "none", "edgecolors": style.LANE_EDGE, "linewidths": 0.6}
    axes.add_collection(PolyCollection(lanes, zorder=2, **edge))
    walks = [unpack_path(ring) for ring in ground.get("crosswalk", ())]
    striped: dict[str, Any] = {"facecolors": "white", "edgecolors": style.GREY, "hatch": "|||"}
    axes.add_collection(PolyCollection(walks, zorder=2.2, linewidths=0.4, **striped))
    for route in ground.get("route", ()):
        look = {"color": "#7d7d7d", "linewidth": 0.8, "linestyle": "-.", "zorder": 3}
        axes.plot(*unpack_path(route).T, **look)
    red = [ring for own in packed["lights"] if _is_red(own, step) for ring in own["rings"]]
    hatched: dict[str, Any] = {"facecolors": "none", "edgecolors": style.VERMILLION, "hatch": "xx"}
    rings = [unpack_path(ring) for ring in red]
    axes.add_collection(PolyCollection(rings, zorder=2.5, alpha=0.6, linewidths=0.8, **hatched))


def _is_red(light: Packed, step: int) -> bool:
    states = light["states"]
    return bool(states[min(step // _PER_LIGHT, len(states) - 1)] == "r")


def _areas(rings: list[list[int]]) -> Iterator[Outline]:
    """Outlines of an area whose holes are among its rings."""
    lines = [shapely.linearrings(points) for ring in rings if len(points := unpack_path(ring)) > 2]
    for area in shapely.get_parts(shapely.build_area(shapely.geometrycollections(lines))):
        own = [np.asarray(ring.coords) for ring in (area.exterior, *area.interiors)]
        own = [own[0], *(hole[::-1] for hole in own[1:])]  # a hole runs against what it is in
        codes = [[Outline.MOVETO] + [Outline.LINETO] * (len(ring) - 1) for ring in own]
        yield Outline(np.concatenate(own), np.concatenate(codes))


def _draw_plan(axes: Axes, drive: Packed, step: int) -> None:
    """The points of the plan that is followed."""
    known = [path for begin, path in drive.get("plans", ()) if begin <= step]
    if known:
        look: dict[str, Any] = {"markersize": 3, "color": style.BLUE, "zorder": 5.5}
        axes.plot(*unpack_path(known[-1]).T, ".", **look)


def _failing(packed: Packed, step: int) -> Iterator[tuple[str, str, Packed]]:
    """What is lost just now: by whom, what is said of it, and where."""
    both = len(packed["drives"]) > 1
    for name, drive in zip((PLAN, OTHER), packed["drives"], strict=False):
        for own in drive["metrics"]:
            failed = own["failed"]
            if failed and abs(failed["step"] - step) <= _SHOWN_STEPS:
                text = f"{own['short']}: {failed['text']}" if failed["text"] else own["short"]
                yield name, (f"{drive['label']}: " if both else "") + text, failed


def _there(packed: Packed, step: int) -> Iterator[tuple[Packed, Array]]:
    """Objects that are there, with their corners [4, 2]."""
    for track in packed["tracks"]:
        if track["from"] <= step <= track["to"]:
            poses = unpack_poses(track["poses"])
            pose = poses[min(step - track["from"], len(poses) - 1)]
            yield track, corners_of(pose, np.array(track["size"]))


def _draw_tracks(axes: Axes, packed: Packed, step: int, hit: set[str | None]) -> None:
    there = [*_there(packed, step)]
    colours = [style.TRACK_COLOURS[track["type"]] for track, _ in there]
    look: dict[str, Any] = {"facecolors": colours, "edgecolors": style.INK, "linewidths": 0.5}
    axes.add_collection(PolyCollection([box for _, box in there], zorder=4, **look))
    for track, box in there:
        if track["id"] in hit:
            bold: dict[str, Any] = {"facecolor": style.YELLOW, "edgecolor": style.INK}
            axes.add_patch(Polygon(box, hatch="////", linewidth=1.6, zorder=4.5, **bold))


def _name(
    axes: Axes,
    packed: Packed,
    step: int,
    now: Mapping[str, Array],
    failures: list[tuple[str, str, Packed]],
) -> None:
    """The time, what is lost where, and who is who where there are two."""
    boxes = {track["id"]: box for track, box in _there(packed, step)}
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    labels = []
    for name, said, failed in failures:
        point = now[name][:2]
        if failed["point"]:
            point = unpack_path(failed["point"])[0]
            look: dict[str, Any] = {"markeredgecolor": style.VERMILLION, "markeredgewidth": 2}
            axes.plot(*point, "o", markersize=13, markerfacecolor="none", zorder=8, **look)
            axes.plot(*point, "x", markersize=6, zorder=8, **look)
        elif failed["track"] in boxes:
            point = boxes[failed["track"]].mean(axis=0)
        labels.append(Label(said, point, size=style.SMALL + 1, clear=9.5))
    labels = [own for own in labels if ((own.point > low) & (own.point < high)).all()]
    ego = [ego_corners(pose) for pose in now.values()]
    visible = np.concatenate([*map(bev.filled, [*boxes.values(), *ego])])
    place(axes, labels, visible, [bev.label_time(axes, step)])


def _draw_camera(figure: Figure, scene: MovingScene, film: Packed, step: int) -> None:
    axes = figure.add_axes(_CAMERA_BOX)
    axes.set_axis_off()
    axes.set_anchor("N")
    shown = max((own for own in film["frames"] if own[0] <= step), default=film["frames"][0])
    axes.imshow(pixels(scene.images[shown[1]]))
    axes.set_title(textwrap.fill(film["name"], 40), fontsize=style.SMALL)


def _write(figure: Figure, packed: Packed, step: int) -> None:
    """What is lost, above; the legend and what decides each metric now, at the foot."""
    drives = packed["drives"]
    whose = [f"{drive['label']}: " if len(drives) > 1 else "" for drive in drives]
    said = [prefix + _sentence(drive) for prefix, drive in zip(whose, drives, strict=True)]
    lines = [line for own in said for line in textwrap.wrap(own, _LETTERS)[: 4 - len(drives)]]
    figure.text(0.01, 0.985, "\n".join(lines), va="top", fontsize=style.SMALL)
    foot = [prefix + _reading(own, step) for prefix, own in zip(whose, drives, strict=True)]
    figure.text(0.01, 0.018, "\n".join(foot), fontsize=style.SMALL - len(drives) + 1)
    handles: list[Line2D | Patch] = [
        Line2D([], [], label=drive["label"], **WHO[name])
        for name, drive in zip((PLAN, OTHER), drives, strict=False)
    ]
    kinds = np.array([track["type"] for track in packed["tracks"]], np.int8)
    figure.legend(
        handles=[*handles, *class_handles(kinds)],
        loc="lower left",
        bbox_to_anchor=(0.0, 0.05 if len(drives) == 1 else 0.07),
        ncols=8,
        fontsize=style.SMALL - 1,
        handlelength=1.8,
        columnspacing=1.2,
        frameon=False,
    )


def _sentence(drive: Packed) -> str:
    """The score, and what is lost, in the order of time."""
    lost = sorted(
        (own["failed"]["step"], own["failed"]) for own in drive["metrics"] if own["failed"]
    )
    told = "; ".join(str(own["sentence"]) for _, own in lost) or "passes every metric"
    return told if drive["score"] is None else f"score {drive['score']:.3f}: {told}"


def _reading(drive: Packed, step: int) -> str:
    """Speed, and the value that decides each metric, at a step."""
    speed = drive["speed"][min(step, len(drive["speed"]) - 1)]
    found = [f"speed {speed:.1f} m/s"]
    for own in drive["metrics"]:
        trace = own["trace"]
        value = trace["values"][step] if trace and step < len(trace["values"]) else None
        if value is not None:
            bound = np.nan if trace["bound"] is None else trace["bound"]
            found.append(reading(own["short"], value, trace["unit"], bound, trace["above"]))
    return "  ".join(found)

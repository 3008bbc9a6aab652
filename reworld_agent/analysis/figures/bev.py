"""Bird's-eye picture of one scene: map, traffic as it moves, the plan, the human, PDM-Closed.

Everything comes from a `SceneCache`, so that any planner's trajectory can be drawn without the
logs, the maps or the planner. All is in the ego frame of t0 (m): x forward, y left. The plan's
box is where the simulator has driven it, as it is scored, not where the poses wish it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Patch, PathPatch, Polygon
from matplotlib.path import Path as Outline
from matplotlib.text import Annotation, Text
from numpy.typing import NDArray

from reworld_agent.analysis.explanation.counterfactuals import dense
from reworld_agent.analysis.figures import style
from reworld_agent.analysis.figures.labels import Label, place
from reworld_agent.analysis.figures.readings import class_handles
from reworld_agent.analysis.figures.style import HUMAN, OTHER, PLAN, REFERENCE, WHO
from reworld_agent.core.atomic import write_atomically
from reworld_agent.pdm.metrics import FailureAnnotation
from reworld_agent.pdm.scene_cache import CARPARK, INTERSECTION, LANE, ROADBLOCK, SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, X, Y
from reworld_agent.pdm.simulate.rollout import reference_states, rollout
from reworld_agent.pdm.world.ego_frame import (
    box_corners,
    ego_box,
    poses_to_ego,
    to_ego,
    track_box,
)
from reworld_agent.pdm.world.red_lights import STEPS_PER_FRAME

__all__ = ["Beside", "box_corners", "draw", "drivers", "save_scene", "to_ego"]

Array = NDArray[np.float64]
LEAST_SPAN_M = 34.0
_MARGIN_M = 7.0
_MOVES_M = 1.0
_MARKER = 13.0  # points, around the corner that left the road


@dataclass(frozen=True)
class Beside:
    """Another agent, drawn in the same scene.

    Attributes:
        poses: [8, 3] its plan at 2 Hz or [40, 3] at 10 Hz, ego frame (m, m, rad); else [L, 3].
        name: of the agent.
        first: name of the agent beside which it stands.
        interval_s: between poses [s], where it is another.
        fails: whether the failure that is shown is this agent's, not the first one's.
    """

    poses: Array
    name: str
    first: str
    interval_s: float | None = None
    fails: bool = False


def names_of(beside: Beside | None) -> dict[str, str]:
    """What is written at the line of each driver."""
    own = {} if beside is None else {PLAN: beside.first, OTHER: beside.name}
    return {name: name for name in WHO if name != OTHER} | own


def drivers(
    cache: SceneCache, poses: Array, interval_s: float | None = None, beside: Beside | None = None
) -> dict[str, Array]:
    """Poses [41, 3] at 10 Hz in the ego frame of t0, by driver.

    The simulated plan, that of another agent, the human (where the log has a future), PDM-Closed
    as simulated.
    """
    ego = cache.ego_state[:3]
    states = rollout(cache, poses[None], interval_s)[0]
    who = {PLAN: poses_to_ego(states[:, [X, Y, HEADING]], ego)}
    if beside is not None:
        states = rollout(cache, beside.poses[None], beside.interval_s)[0]
        who[OTHER] = poses_to_ego(states[:, [X, Y, HEADING]], ego)
    if len(cache.human_poses) and np.isfinite(cache.human_poses).all():
        who[HUMAN] = dense(np.array(cache.human_poses))
    reference = reference_states(cache)
    if reference is not None:
        who[REFERENCE] = poses_to_ego(reference[:, [X, Y, HEADING]], ego)
    return who


def draw(
    axes: Axes,
    cache: SceneCache,
    poses: Array,
    step: int | None = None,
    annotation: FailureAnnotation | None = None,
    title: str = "",
    interval_s: float | None = None,
    beside: Beside | None = None,
) -> None:
    """One scene on given axes.

    Args:
        axes: where to draw; x is forward and points right.
        cache: the scene.
        poses: [8, 3] plan at 2 Hz or [40, 3] at 10 Hz, ego frame (m, m, rad); else [L, 3].
        step: instant at which everybody is drawn, in steps of 0.1 s; the annotation's, else 0.
        annotation: the failure to show.
        title: text above the picture.
        interval_s: between poses [s], where it is another.
        beside: another agent.
    """
    step = (annotation.step if annotation else 0) if step is None else step
    who = drivers(cache, poses, interval_s, beside)
    draw_map(axes, cache)
    draw_lights(axes, cache, step)
    draw_trails(axes, cache)
    draw_tracks(axes, cache, step, annotation.track if annotation else None)
    for name, own in who.items():
        axes.plot(*own[:, :2].T, linewidth=1.8, zorder=5, solid_capstyle="round", **WHO[name])
    for name, own in who.items():
        draw_ego(axes, own[step], name)
    set_window(axes, cache, who, annotation)
    if annotation is not None:
        draw_annotation(axes, cache, who, annotation, beside)
    taken = [label_time(axes, step), *label_classes(axes, cache, step)]
    label(axes, cache, who, step, annotation, taken, beside)
    axes.set_title(title, fontsize=9, loc="left")


def polygons_of(cache: SceneCache, kind: int) -> Iterator[Outline]:
    """Outlines, in the ego frame, of every map polygon of one kind; holes stay holes."""
    for index in np.flatnonzero(cache.polygon_kind == kind):
        vertices, codes = [], []
        first, last = cache.polygon_ring_start[index : index + 2]
        for ring in range(first, last):
            points = cache.ring_xy[cache.ring_start[ring] : cache.ring_start[ring + 1]]
            vertices.append(to_ego(points, cache.ego_state[:3]))
            codes += [Outline.MOVETO] + [Outline.LINETO] * (len(points) - 1)
        yield Outline(np.concatenate(vertices), codes)


def draw_map(axes: Axes, cache: SceneCache) -> None:
    """Drivable area (roads, intersections, car parks), lane edges, and the route's centreline."""
    for kind, colour in (
        (CARPARK, style.PARK),
        (ROADBLOCK, style.ROAD),
        (INTERSECTION, style.ROAD),
    ):
        patches = [PathPatch(outline) for outline in polygons_of(cache, kind)]
        if patches:
            collection = PatchCollection(patches, facecolor=colour, edgecolor="none", zorder=1)
            axes.add_collection(collection)
    lanes = [PathPatch(outline) for outline in polygons_of(cache, LANE)]
    if lanes:
        edge: dict[str, Any] = {"edgecolor": style.LANE_EDGE, "linewidth": 0.6}
        axes.add_collection(PatchCollection(lanes, facecolor="none", zorder=2, **edge))
    centre = to_ego(cache.centerline[:, :2], cache.ego_state[:3])
    axes.plot(*centre.T, color="#7d7d7d", linewidth=0.8, linestyle="-.", zorder=3)


def red_outlines(cache: SceneCache, step: int) -> list[Array]:
    """Outlines [V, 2], ego frame, of the route's turning lanes that are red at a step of 0.1 s."""
    red = cache.light_red[min(step // STEPS_PER_FRAME, len(cache.light_red) - 1)]
    starts, outlines = cache.light_ring_start, []
    for light in np.flatnonzero(red).tolist():
        first, last = cache.light_polygon_ring_start[light : light + 2].tolist()
        for ring in range(first, last):
            corners = cache.light_ring_xy[starts[ring] : starts[ring + 1]]
            outlines.append(to_ego(corners, cache.ego_state[:3]))
    return outlines


def draw_lights(axes: Axes, cache: SceneCache, step: int) -> None:
    """Turning lanes of the route that are red at a step of 0.1 s, hatched."""
    look: dict[str, Any] = {"edgecolor": style.VERMILLION, "hatch": "xx", "linewidth": 0.8}
    for outline in red_outlines(cache, step):
        axes.add_patch(Polygon(outline, facecolor="none", alpha=0.6, zorder=2.5, **look))


def draw_trails(axes: Axes, cache: SceneCache) -> None:
    """Way of each object that moves, over the 4 s."""
    tracks = to_ego(cache.track_pose[:41, :, :2], cache.ego_state[:3])
    lines, colours = [], []
    for track in range(tracks.shape[1]):
        line = tracks[np.isfinite(tracks[:, track, 0]), track]
        if len(line) > 1 and np.hypot(*np.ptp(line, axis=0)) > _MOVES_M:
            lines.append(line)
            colours.append(style.TRACK_COLOURS[cache.track_type[track]])
    if lines:
        axes.add_collection(LineCollection(lines, colors=colours, linewidths=1.0, zorder=3.5))


def draw_tracks(axes: Axes, cache: SceneCache, step: int, hit: int | None = None) -> None:
    """Boxes of all objects at a step of 0.1 s, filled by class; `hit` stands out."""
    there = np.flatnonzero(np.isfinite(cache.track_pose[step, :, 0])).tolist()
    boxes = [track_box(cache, track, step) for track in there]
    colours = [style.TRACK_COLOURS[cache.track_type[track]] for track in there]
    if boxes:
        look: dict[str, Any] = {"facecolors": colours, "edgecolors": style.INK, "linewidths": 0.5}
        axes.add_collection(PolyCollection(boxes, zorder=4, **look))
    if hit is not None and hit in there:
        axes.add_patch(
            Polygon(
                track_box(cache, hit, step),
                facecolor=style.YELLOW,
                edgecolor=style.INK,
                linewidth=1.6,
                hatch="////",
                zorder=4.5,
            )
        )


def draw_ego(axes: Axes, pose: Array, name: str) -> None:
    """A driver's box at a rear-axle pose (x, y, heading) in the ego frame; the plan's is filled."""
    corners, look = ego_box(pose), WHO[name]
    if name == PLAN:
        axes.add_patch(Polygon(corners, facecolor=style.BLUE, alpha=0.25, zorder=6))
    edge: dict[str, Any] = {"edgecolor": look["color"], "linestyle": look["linestyle"]}
    width = 1.8 if name == PLAN else 1.2
    axes.add_patch(Polygon(corners, facecolor="none", linewidth=width, zorder=6, **edge))


def annotation_target(cache: SceneCache, annotation: FailureAnnotation) -> Array | None:
    """Where [2] an annotation points: its corner, or its object's centre, when it is there."""
    if annotation.track is None:
        return annotation.point
    target = track_box(cache, annotation.track, annotation.step).mean(axis=0)
    if not np.isfinite(target).all():
        later = min(annotation.step + annotation.ahead_steps, len(cache.track_pose) - 1)
        target = track_box(cache, annotation.track, later).mean(axis=0)
    return target


def draw_annotation(
    axes: Axes,
    cache: SceneCache,
    who: Mapping[str, Array],
    annotation: FailureAnnotation,
    beside: Beside | None = None,
) -> None:
    """The corner or the projected boxes of a failure of one of the `drivers`."""
    failing = _failing(beside)
    colours = (str(WHO[failing]["color"]), "black")
    for box, colour in zip(_projected(cache, who[failing], annotation), colours, strict=False):
        edge: dict[str, Any] = {"facecolor": "none", "linestyle": "--", "linewidth": 1.2}
        axes.add_patch(Polygon(box, edgecolor=colour, zorder=7, **edge))
    if annotation.point is not None:
        look: dict[str, Any] = {"markeredgewidth": 2, "zorder": 8}
        look["markeredgecolor"] = style.VERMILLION
        axes.plot(*annotation.point, "o", markersize=_MARKER, markerfacecolor="none", **look)
        axes.plot(*annotation.point, "x", markersize=6, **look)


def _failing(beside: Beside | None) -> str:
    """Whose failure is shown."""
    return OTHER if beside is not None and beside.fails else PLAN


def _projected(cache: SceneCache, plan: Array, annotation: FailureAnnotation) -> list[Array]:
    """Boxes [4, 2] of the plan driven straight on and of what it then meets.

    None where a failure is not foreseen.
    """
    if not annotation.ahead_steps:
        return []
    later = min(annotation.step + annotation.ahead_steps, len(cache.track_pose) - 1)
    ahead = ego_box(plan[annotation.step], annotation.ahead_m)
    return [ahead, track_box(cache, annotation.track or 0, later)]


def set_window(
    axes: Axes, cache: SceneCache, who: dict[str, Array], annotation: FailureAnnotation | None
) -> None:
    """Show all drivers and the marked object; the axes' shape decides the rest."""
    points = [own[:, :2] for own in who.values()]
    if annotation is not None and annotation.track is not None:
        points.append(track_box(cache, annotation.track, annotation.step))
    every = np.concatenate(points)
    every = every[np.isfinite(every).all(axis=1)]
    low, high = every.min(axis=0) - _MARGIN_M, every.max(axis=0) + _MARGIN_M
    box = axes.get_position()
    figure = axes.get_figure(root=True)
    assert figure is not None
    size = figure.get_size_inches()
    shape = (box.width * size[0]) / max(box.height * size[1], 1e-9)
    width = max(high[0] - low[0] + _MARGIN_M, (high[1] - low[1]) * shape, LEAST_SPAN_M)
    middle = (low + high) / 2
    middle[0] += _MARGIN_M / 2  # room for the labels at the lines' ends
    axes.set_xlim(middle[0] - width / 2, middle[0] + width / 2)
    axes.set_ylim(middle[1] - width / shape / 2, middle[1] + width / shape / 2)
    axes.set_aspect("equal", adjustable="box")
    axes.tick_params(labelsize=style.SMALL - 1)
    axes.set_xlabel("forward [m]", fontsize=style.SMALL)
    axes.set_ylabel("left [m]", fontsize=style.SMALL)


def label(
    axes: Axes,
    cache: SceneCache,
    who: dict[str, Array],
    step: int,
    annotation: FailureAnnotation | None,
    taken: Sequence[Artist],
    beside: Beside | None = None,
) -> Annotation | None:
    """Name the failure, and each line at its end.

    Args:
        axes: where, its window set.
        cache: the scene.
        who: of `drivers`.
        step: instant at which the boxes are drawn, in steps of 0.1 s.
        annotation: the failure.
        taken: what must not be covered.
        beside: another agent, where one is drawn.

    Returns:
        The text that names the failure, where there is one.
    """
    target = annotation_target(cache, annotation) if annotation else None
    said = names_of(beside)
    names = [Label(said[name], own[-1, :2], str(WHO[name]["color"])) for name, own in who.items()]
    boxes = [track_box(cache, track, step) for track in range(cache.track_pose.shape[1])]
    boxes += [ego_box(own[step]) for own in who.values()]
    boxes += _projected(cache, who[_failing(beside)], annotation) if annotation else []
    visible = np.concatenate([*map(filled, boxes), *(own[:, :2] for own in who.values())])
    visible = visible[np.isfinite(visible).all(axis=1)]
    if annotation is None or target is None or not np.isfinite(target).all():
        place(axes, names, visible, taken)
        return None
    failure = Label(annotation.text, target, size=style.SMALL + 1, clear=_MARKER / 2 + 3)
    return place(axes, [failure, *names], visible, taken)[0]


def filled(corners: Array) -> Array:
    """Points [25, 2] all over a box of corners [4, 2]."""
    u, v = (w.reshape(-1, 1) for w in np.meshgrid(*[np.linspace(0.0, 1.0, 5)] * 2))
    a, b, c, d = corners
    return (1 - u) * (1 - v) * a + u * (1 - v) * b + u * v * c + (1 - u) * v * d


def label_time(axes: Axes, step: int) -> Text:
    """The instant, in a corner."""
    return axes.text(
        *(0.012, 0.965),
        f"t = {step / 10:.1f} s",
        transform=axes.transAxes,
        va="top",
        fontsize=style.SMALL + 1,
        fontweight="bold",
        path_effects=style.halo(),
        zorder=10,
    )


def label_classes(axes: Axes, cache: SceneCache, step: int) -> list[Legend]:
    """What the colours of the boxes in the picture mean; no legend where there is no box."""
    (low_x, high_x), (low_y, high_y) = axes.get_xlim(), axes.get_ylim()
    x, y = to_ego(cache.track_pose[step, :, :2], cache.ego_state[:3]).T
    seen = cache.track_type[(x > low_x) & (x < high_x) & (y > low_y) & (y < high_y)]
    handles = class_handles(seen)
    if any(
        ((low_x < x) & (x < high_x) & (low_y < y) & (y < high_y)).any()
        for x, y in (outline.T for outline in red_outlines(cache, step))
    ):
        red: dict[str, Any] = {"facecolor": "none", "edgecolor": style.VERMILLION, "hatch": "xxxx"}
        handles.append(Patch(linewidth=0.5, label="red light", **red))
    if not handles:
        return []
    look: dict[str, Any] = {
        "handlelength": 1.2,
        "handletextpad": 0.4,
        "columnspacing": 1.0,
        "framealpha": 0.85,
    }
    legend = axes.legend(
        handles=handles, loc="lower left", ncols=4, fontsize=style.SMALL - 1, **look
    )
    legend.set_zorder(10)
    return [legend]


@style.plain_text()
def save_scene(
    cache: SceneCache,
    poses: Array,
    path: str | Path,
    step: int | None = None,
    title: str = "",
    annotation: FailureAnnotation | None = None,
    interval_s: float | None = None,
    beside: Beside | None = None,
) -> None:
    """Draw one scene into a picture file (arguments of `draw`; no display is needed)."""
    figure = Figure(figsize=(8, 5.0), dpi=120)
    axes = figure.add_axes((0.07, 0.09, 0.91, 0.84))
    draw(axes, cache, poses, step, annotation, title, interval_s, beside)
    path = Path(path)
    kind = path.suffix.lstrip(".") or "png"
    write_atomically(path, lambda partial: figure.savefig(partial, format=kind))

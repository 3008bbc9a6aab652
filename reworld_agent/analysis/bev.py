"""Bird's-eye picture of one scored scene: map, traffic, the plan, the human, PDM-Closed.

Everything comes from a `SceneCache`, so that any planner's trajectory can be drawn without the
logs, the maps or the planner. Colours are distinguishable by colour-blind readers (Okabe-Ito)
and, by line style, in print.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Polygon
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from reworld_agent.pdm.cache import CARPARK, INTERSECTION, LANE, ROADBLOCK, SceneCache

EGO_SIZE_M = (5.176, 2.297)  # length, width of the vehicle that the simulator drives
EGO_CENTRE_M = 1.461  # centre of the box ahead of the rear axle
RADIUS_M = 45.0

ROAD, LANE_EDGE, PARK = "#e3e3e3", "#bdbdbd", "#ece7f2"
PLAN, HUMAN, REFERENCE = "#0072b2", "#009e73", "#e69f00"
TRACK_COLOURS = ("#56b4e9", "#d55e00", "#cc79a7") + ("#8c8c8c",) * 4  # vehicle, walker, bike, rest


def to_ego(points: NDArray[np.float64], ego: NDArray[np.float64]) -> NDArray[np.float64]:
    """Global x, y [..., 2] (m) to the ego frame of a pose (x, y, heading): x forward, y left."""
    cos, sin = np.cos(ego[2]), np.sin(ego[2])
    delta = points - ego[:2]
    return np.stack(
        [delta[..., 0] * cos + delta[..., 1] * sin, delta[..., 1] * cos - delta[..., 0] * sin], -1
    )


def box_corners(pose: NDArray[np.float64], length: float, width: float) -> NDArray[np.float64]:
    """Corners [4, 2] of a box centred at a pose (x, y, heading), sizes in m."""
    forward = np.array([np.cos(pose[2]), np.sin(pose[2])]) * length / 2
    left = np.array([-np.sin(pose[2]), np.cos(pose[2])]) * width / 2
    centre = pose[:2]
    return np.stack(
        [
            centre + forward + left,
            centre - forward + left,
            centre - forward - left,
            centre + forward - left,
        ]
    )


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
    for kind, colour in ((CARPARK, PARK), (ROADBLOCK, ROAD), (INTERSECTION, ROAD)):
        patches = [PathPatch(outline) for outline in polygons_of(cache, kind)]
        axes.add_collection(PatchCollection(patches, facecolor=colour, edgecolor="none", zorder=1))
    lanes = [PathPatch(outline) for outline in polygons_of(cache, LANE)]
    axes.add_collection(
        PatchCollection(lanes, facecolor="none", edgecolor=LANE_EDGE, linewidth=0.6, zorder=2)
    )
    centre = to_ego(cache.centerline[:, :2], cache.ego_state[:3])
    axes.plot(*centre.T, color="#6b6b6b", linewidth=1, linestyle="-.", zorder=3, label="route")


def draw_tracks(axes: Axes, cache: SceneCache, step: int) -> None:
    """Boxes of all objects at a step of 0.1 s, filled by class."""
    ego_heading = cache.ego_state[2]
    for track in np.flatnonzero(np.isfinite(cache.track_pose[step, :, 0])):
        x, y, heading = cache.track_pose[step, track]
        centre = to_ego(np.array([x, y]), cache.ego_state[:3])
        corners = box_corners(
            np.array([*centre, heading - ego_heading]), *cache.track_size[track].tolist()
        )
        colour = TRACK_COLOURS[cache.track_type[track]]
        axes.add_patch(
            Polygon(corners, facecolor=colour, edgecolor="black", linewidth=0.5, zorder=4)
        )


def draw_ego(axes: Axes, pose: NDArray[np.float64], colour: str) -> None:
    """The ego's box at a rear-axle pose (x, y, heading) in the ego frame."""
    centre = pose[:2] + EGO_CENTRE_M * np.array([np.cos(pose[2]), np.sin(pose[2])])
    corners = box_corners(np.array([*centre, pose[2]]), *EGO_SIZE_M)
    axes.add_patch(Polygon(corners, facecolor="none", edgecolor=colour, linewidth=1.8, zorder=6))


def draw_scene(
    axes: Axes, cache: SceneCache, poses: NDArray[np.float64], step: int = 0, title: str = ""
) -> None:
    """One scene on given axes.

    Args:
        axes: where to draw; x is forward and points up.
        cache: the scene.
        poses: [L, 3] plan, ego frame (m, m, rad), evenly spaced over 4 s.
        step: instant at which traffic and the planned ego are drawn, in steps of 0.1 s.
        title: text above the picture.
    """
    draw_map(axes, cache)
    draw_tracks(axes, cache, step)
    reference = to_ego(cache.pdm_closed_poses[:, :2], cache.ego_state[:3])
    lines = (
        (reference, REFERENCE, ":", "PDM-Closed"),
        (cache.human_poses[:, :2], HUMAN, "--", "human"),
        (poses[:, :2], PLAN, "-", "plan"),
    )
    for line, colour, style, label in lines:
        full = np.concatenate([np.zeros((1, 2)), line[np.isfinite(line[:, 0])]])
        axes.plot(*full.T, style, color=colour, linewidth=2, zorder=5, label=label)
    start = np.concatenate([np.zeros((1, 3)), poses])
    times = np.linspace(0, 40, len(start))
    draw_ego(axes, np.array([np.interp(step, times, start[:, i]) for i in range(3)]), PLAN)
    middle = float(np.clip(poses[-1, 0] / 2, 5, 25))
    axes.set_xlim(middle - RADIUS_M, middle + RADIUS_M)
    axes.set_ylim(-RADIUS_M * 0.62, RADIUS_M * 0.62)
    axes.set_aspect("equal")
    axes.set_xlabel("forward [m]")
    axes.set_ylabel("left [m]")
    axes.set_title(title, fontsize=9, loc="left")


def save_scene(
    cache: SceneCache, poses: NDArray[np.float64], path: str | Path, step: int = 0, title: str = ""
) -> None:
    """Draw one scene into a picture file (arguments of `draw_scene`; no display is needed)."""
    figure = Figure(figsize=(8, 5.4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    draw_scene(axes, cache, poses, step, title)
    axes.legend(loc="lower right", fontsize=8, framealpha=0.9)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)

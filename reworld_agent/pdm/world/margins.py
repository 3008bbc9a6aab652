"""How near things are, at each step: gaps between boxes, margin to the edge of the road.

For lines over time; scores come from the kernels. All points are global, in metres.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.scene_cache import CARPARK, INTERSECTION, ROADBLOCK, SceneCache
from reworld_agent.pdm.world.geometry import LENGTH, REAR_AXLE_TO_CENTER, WIDTH
from reworld_agent.pdm.world.red_lights import STEPS_PER_FRAME

Array = NDArray[np.float64]
_SIGNS = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) / 2.0
_NEAR_M = 20.0  # edges farther away are not looked at
_SEAM_M = 0.02  # polygons of the same road that do not quite touch


def corners_of(poses: Array, sizes: Array) -> Array:
    """Corners [..., 4, 2] of boxes around centre poses [..., 3], of sizes [..., 2] (m)."""
    cos, sin = np.cos(poses[..., 2, None]), np.sin(poses[..., 2, None])
    along, across = _SIGNS[:, 0] * sizes[..., :1], _SIGNS[:, 1] * sizes[..., 1:]
    x = poses[..., :1] + along * cos - across * sin
    y = poses[..., 1:2] + along * sin + across * cos
    return np.stack([x, y], axis=-1)


def ego_corners(poses: Array, ahead_m: Array | float = 0.0) -> Array:
    """Corners [..., 4, 2] of the ego at rear-axle poses [..., 3], driven on by `ahead_m`."""
    shift = np.asarray(REAR_AXLE_TO_CENTER + ahead_m)[..., None]
    towards = np.stack([np.cos(poses[..., 2]), np.sin(poses[..., 2])], axis=-1)
    centres = np.concatenate([poses[..., :2] + shift * towards, poses[..., 2:3]], axis=-1)
    return corners_of(centres, np.array([LENGTH, WIDTH]))


def box_gaps(a: Array, b: Array) -> Array:
    """Distance [...] (m) between boxes of corners [..., 4, 2]; 0 where they meet, NaN kept."""
    a, b = np.broadcast_arrays(a, b)
    gap: Array = np.minimum(_to_edges(a, b), _to_edges(b, a))
    apart = _separated(a, b) | _separated(b, a)
    return np.where(apart | np.isnan(gap), gap, 0.0)


def _to_edges(points: Array, box: Array) -> Array:
    """Least distance [...] of corners [..., 4, 2] to the edges of boxes [..., 4, 2]."""
    start, edge = box, np.roll(box, -1, axis=-2) - box
    offset = points[..., :, None, :] - start[..., None, :, :]
    edge = edge[..., None, :, :]
    share = ((offset * edge).sum(-1) / (edge**2).sum(-1)).clip(0.0, 1.0)
    apart: Array = np.linalg.norm(offset - share[..., None] * edge, axis=-1)
    return apart.min(axis=(-2, -1))


def _separated(a: Array, b: Array) -> NDArray[np.bool_]:
    """Whether one of a's two axes has the boxes apart."""
    axes = np.stack([a[..., 0, :] - a[..., 1, :], a[..., 1, :] - a[..., 2, :]], axis=-2)
    own, other = (box @ np.swapaxes(axes, -1, -2) for box in (a, b))
    below = other.max(axis=-2) < own.min(axis=-2)
    above = other.min(axis=-2) > own.max(axis=-2)
    found: NDArray[np.bool_] = (below | above).any(axis=-1)
    return found


def track_gaps(cache: SceneCache, boxes: Array, steps: NDArray[np.int64]) -> Array:
    """Distance [S, T] (m) of boxes [S, 4, 2] to every track at the steps [S]; NaN where absent."""
    size = np.broadcast_to(cache.track_size, (len(steps), *cache.track_size.shape))
    return box_gaps(boxes[:, None], corners_of(cache.track_pose[steps], size))


def nearest_gap(gaps: Array) -> Array:
    """Least of the gaps [S, T] (m) at each step, of the tracks that are there: [S], or NaN."""
    found: Array = np.fmin.reduce(gaps, axis=1, initial=np.nan)
    return found


def road_margin(cache: SceneCache, points: Array) -> Array:
    """Distance [n] (m) of points [n, 2] to the edge of the drivable area; negative: outside it."""
    # scoring needs no shapely, which takes a while to import
    import shapely  # noqa: PLC0415

    drivable = np.flatnonzero(np.isin(cache.polygon_kind, (ROADBLOCK, INTERSECTION, CARPARK)))
    layout = cache.polygon_ring_start, cache.ring_start, cache.ring_xy
    low, high = points.min(axis=0) - _NEAR_M, points.max(axis=0) + _NEAR_M
    parts = []
    for polygon in drivable.tolist():
        first, last = cache.ring_start[cache.polygon_ring_start[polygon : polygon + 2]]
        own = cache.ring_xy[first:last]
        if (own.max(axis=0) >= low).all() and (own.min(axis=0) <= high).all():
            parts.append(ring_polygon(polygon, *layout))
    if not parts:
        return np.full(len(points), np.nan)
    road = shapely.union_all(shapely.buffer(np.array(parts, object), _SEAM_M, join_style="mitre"))
    road = shapely.buffer(road, -_SEAM_M, join_style="mitre")
    places = shapely.points(points)
    distance = shapely.distance(shapely.boundary(road), places)
    margin: Array = np.where(shapely.intersects(road, places), distance, -distance)
    return margin


def red_light_gap(cache: SceneCache, boxes: Array) -> Array:
    """Distance [41] (m) of boxes [41, 4, 2] to the nearest lane connector that is red then.

    NaN where none is; 0 inside one.
    """
    import shapely  # noqa: PLC0415 - as above

    layout = cache.light_polygon_ring_start, cache.light_ring_start, cache.light_ring_xy
    lights = np.array(
        [ring_polygon(light, *layout) for light in range(len(cache.light_id))], object
    )
    gaps = np.full(len(boxes), np.nan)
    for step, box in enumerate(shapely.polygons(boxes)):
        red = lights[cache.light_red[step // STEPS_PER_FRAME]]
        if len(red):
            gaps[step] = shapely.distance(red, box).min()
    return gaps


def ring_polygon(
    number: int, ring_of_polygon: NDArray[np.int32], ring_start: NDArray[np.int32], xy: Array
) -> Any:
    """A polygon of flat arrays; where its rings overlap, the even-odd rule holds, as in scores."""
    import shapely  # noqa: PLC0415 - as above

    first, last = ring_of_polygon[number : number + 2]
    shape = shapely.polygons(np.empty((0, 2)))
    for ring in range(first, last):
        part = shapely.polygons(xy[ring_start[ring] : ring_start[ring + 1]])
        shape = shapely.symmetric_difference(shape, shapely.make_valid(part))
    return shape


def nearest_on_path(path: Array, points: Array) -> tuple[Array, Array]:
    """Distance [n] of points [n, 2] to a path [K, 2], and how far along it they are [n] (m)."""
    start, edge = path[:-1], np.diff(path, axis=0)
    square = np.maximum((edge**2).sum(axis=1), 1e-12)
    offset = points[:, None] - start
    share = ((offset * edge).sum(axis=2) / square).clip(0.0, 1.0)
    apart = np.linalg.norm(offset - share[..., None] * edge, axis=2)
    length = np.sqrt((edge**2).sum(axis=1))
    best, rows = apart.argmin(axis=1), np.arange(len(points))
    arc = np.concatenate([[0.0], length.cumsum()[:-1]])
    return apart[rows, best], arc[best] + share[rows, best] * length[best]

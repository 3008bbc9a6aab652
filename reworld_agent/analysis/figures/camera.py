"""Front camera at t0 with the plan painted on the road, by the camera's stored calibration.

NAVSIM's logs give each camera `sensor2lidar_rotation`, `_translation` (camera to ego frame, whose
camera axes are x right, y down, z forward), `cam_intrinsic` and OpenCV's `distortion`. The height
of the road is not in a log; it is taken from what stands on it: the median underside of the boxes
near the ego.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

from reworld_agent.analysis.figures import style
from reworld_agent.analysis.figures.bev import Beside, drivers
from reworld_agent.analysis.figures.calibration import FRONT, check_calibration, road_height
from reworld_agent.analysis.figures.style import HUMAN, OTHER, PLAN, WHO
from reworld_agent.core.errors import DataError
from reworld_agent.pdm.metrics import FailureAnnotation
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.world.geometry import LENGTH, REAR_AXLE_TO_CENTER, WIDTH
from reworld_agent.scenes.log_index import find_frame
from reworld_agent.scenes.logs import load_log
from reworld_agent.scenes.scene_pickles import load_scene_pickle
from reworld_agent.scenes.sensors import Camera, Cameras

Array = NDArray[np.float64]
_NEAR_M = 0.5  # depth in front of the lens from which points are drawn
_FRONT_M = REAR_AXLE_TO_CENTER + LENGTH / 2.0  # bumper ahead of the rear axle
_EDGES = ((0, 1, 2, 3, 0), (4, 5, 6, 7, 4), (0, 4), (1, 5), (2, 6), (3, 7))


@dataclass(frozen=True)
class FrontView:
    """What the front camera sees at t0.

    Attributes:
        camera: image uint8 [H, W, 3] and calibration.
        road_m: height of the road in the ego frame.
        boxes: track token → (x, y, z of the centre, length, width, height, yaw), ego frame.
    """

    camera: Camera
    road_m: float
    boxes: dict[str, Array]

    @property
    def image(self) -> NDArray[np.uint8]:
        """uint8 [H, W, 3]."""
        if self.camera.image is None:
            raise DataError("this view was read without its image", "read it with load_front")
        return self.camera.image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image in pixels."""
        height, width = self.image.shape[:2]
        return width, height


def load_front(data_root: Path, data_split: str, token: str) -> FrontView:
    """Read the front camera of a scene's present frame.

    Raises:
        SceneError: no log of the split holds the token.
        DataError: the image or its calibration is missing or damaged.
    """
    log, index = find_frame(data_root / "navsim_logs" / data_split, token)
    return _front_of(load_log(log)[index], data_root / "sensor_blobs" / data_split, log)


def load_front_of_stage_two(path: Path) -> FrontView:
    """The same of a synthetic scene, its pictures in `sensor_blobs` beside the scenes' folder."""
    frame = load_scene_pickle(path).present_frame()
    return _front_of(frame, path.parent.parent / "sensor_blobs", path)


def _front_of(frame: dict[str, Any], blobs: Path, source: Path) -> FrontView:
    """The front camera of one frame that was read from a file."""
    token = str(frame["token"])
    cameras = Cameras.from_camera_dict(blobs, frame.get("cams") or {}, [FRONT], token)
    check_calibration(cameras.cam_f0, FRONT, source, token)
    anns: dict[str, Any] = frame.get("anns") or {"gt_boxes": [], "track_tokens": []}
    boxes = np.asarray(anns["gt_boxes"], np.float64).reshape(-1, 7)
    named = dict(zip(map(str, anns["track_tokens"]), boxes, strict=True))
    return FrontView(cameras.cam_f0, road_height(boxes), named)


def project(camera: Camera, points: Array) -> Array:
    """Pixels [n, 2] of points [n, 3] in the ego frame (m); NaN behind the lens.

    x_cam = Rᵀ (x_ego − t), then OpenCV's model with distortion. Far outside the field of view
    that model folds back into the image: points beyond 1.3 times the corner's angle are NaN too.
    """
    intrinsics = np.asarray(camera.intrinsics, np.float64)
    seen = (points - np.asarray(camera.sensor2lidar_translation)) @ camera.sensor2lidar_rotation
    pixels = np.full((len(points), 2), np.nan)
    depth = np.maximum(seen[:, 2], _NEAR_M)
    slope = np.hypot(seen[:, 0], seen[:, 1]) / depth
    corner = np.hypot(*(intrinsics[:2, 2] / np.diag(intrinsics)[:2]))
    front = (seen[:, 2] > _NEAR_M) & (slope < 1.3 * corner)
    if front.any():
        distortion = np.asarray(camera.distortion, np.float64)
        zero = np.zeros(3)
        found, _ = cv2.projectPoints(seen[front, None], zero, zero, intrinsics, distortion)
        pixels[front] = found[:, 0]
    return pixels


def draw(
    axes: Axes,
    view: FrontView,
    cache: SceneCache,
    poses: Array,
    annotation: FailureAnnotation | None = None,
    interval_s: float | None = None,
    beside: Beside | None = None,
) -> None:
    """The image of t0 with the plan painted on the road.

    The plan is a carpet as wide as the ego, the paths of the human and of another agent are dashed
    lines; the object or corner of a failure is marked.

    Args:
        axes: where to draw.
        view: of `load_front`.
        cache: the same scene.
        poses: [8, 3] plan at 2 Hz or [40, 3] at 10 Hz, ego frame; else [L, 3].
        annotation: the failure to show.
        interval_s: between poses [s], where it is another.
        beside: another agent.
    """
    width, height = view.size
    axes.imshow(view.image, interpolation="antialiased")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    who = drivers(cache, poses, interval_s, beside)
    _carpet(axes, view, who[PLAN])
    for name in [name for name in (HUMAN, OTHER) if name in who]:
        line = _on_road(view, _ahead_of_bumper(who[name])[:, :2])
        axes.plot(*line.T, linewidth=2, path_effects=style.halo(3), **WHO[name])
    if annotation is not None and annotation.track is not None:
        _outline(axes, view, str(cache.track_token[annotation.track]), annotation)
    if annotation is not None and annotation.point is not None:
        at = _on_road(view, annotation.point[None])[0]
        if np.isfinite(at).all():
            axes.plot(*at, "x", color=style.VERMILLION, markersize=10, markeredgewidth=3)
            _write(axes, view, at, annotation.text)


def _on_road(view: FrontView, points: Array) -> Array:
    """Pixels [n, 2] of points [n, 2] on the road."""
    return project(view.camera, np.column_stack([points, np.full(len(points), view.road_m)]))


def _ahead_of_bumper(poses: Array) -> Array:
    """Poses every 0.25 m from the front bumper at t0 on: what a driver would see of the way."""
    front = poses.copy()
    front[:, :2] += _FRONT_M * np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=1)
    arc = np.concatenate([[0.0], np.hypot(*np.diff(front[:, :2], axis=0).T).cumsum()])
    keep = np.concatenate([[True], np.diff(arc) > 1e-6])
    samples = np.arange(0.0, arc[-1] + 1e-9, 0.25)
    columns = [np.interp(samples, arc[keep], front[keep, i]) for i in range(3)]
    return np.stack(columns, axis=1)


def _carpet(axes: Axes, view: FrontView, poses: Array) -> None:
    """The strip of road that the ego covers, with a line every second."""
    path = _ahead_of_bumper(poses)
    left = np.stack([-np.sin(path[:, 2]), np.cos(path[:, 2])], axis=1) * WIDTH / 2.0
    sides = [_on_road(view, path[:, :2] + side * left) for side in (1.0, -1.0)]
    cells = np.stack([sides[0][:-1], sides[0][1:], sides[1][1:], sides[1][:-1]], axis=1)
    cells = cells[np.isfinite(cells).all(axis=(1, 2))]
    if len(cells):
        fill = PolyCollection(list(cells), facecolors=style.BLUE, edgecolors="none", alpha=0.4)
        axes.add_collection(fill)
    for side in sides:
        axes.plot(*side.T, color="white", linewidth=2.6)
        axes.plot(*side.T, linewidth=1.4, **WHO[PLAN])


def _outline(axes: Axes, view: FrontView, token: str, annotation: FailureAnnotation) -> None:
    """Wire frame of the object where it is at t0."""
    box = view.boxes.get(token)
    if box is None:
        return
    x, y, z, length, width, height, yaw = box
    signs = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) * [length / 2, width / 2]
    cos, sin = np.cos(yaw), np.sin(yaw)
    flat = signs @ np.array([[cos, sin], [-sin, cos]]) + [x, y]
    corners = np.concatenate(
        [np.column_stack([flat, np.full(4, z + side * height / 2)]) for side in (-1, 1)]
    )
    pixels = project(view.camera, corners)
    if not np.isfinite(pixels).all():
        return
    for edge in _EDGES:
        axes.plot(*pixels[list(edge)].T, color="black", linewidth=2.8)
        axes.plot(*pixels[list(edge)].T, color=style.YELLOW, linewidth=1.4)
    top = np.array([pixels[:, 0].mean(), pixels[:, 1].min()])
    text = annotation.text.removeprefix("hit: ")
    _write(axes, view, top, text if ": " not in text else text.split(": ", 1)[1])


def _write(axes: Axes, view: FrontView, at: Array, text: str) -> None:
    """Text above a pixel, inside the image."""
    width, height = view.size
    if not (0 <= at[0] < width and 0 <= at[1] < height):
        return
    axes.annotate(
        text,
        (at[0], at[1]),
        xytext=(
            np.clip(at[0], 0.15 * width, 0.85 * width),
            max(at[1] - 0.09 * height, 0.05 * height),
        ),
        ha="center",
        fontsize=style.SMALL,
        fontweight="bold",
        path_effects=style.halo(),
        arrowprops={"arrowstyle": "-", "linewidth": 0.8},
    )

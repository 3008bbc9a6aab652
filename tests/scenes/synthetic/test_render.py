"""Images agree with the boxes, the map and the calibration that the logs hold."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from reworld_agent.scenes.synthetic import SplitRoots
from reworld_agent.scenes.synthetic.drive import STRIDE
from reworld_agent.scenes.synthetic.render.camera_view import Renderer
from reworld_agent.scenes.synthetic.render.cameras import CAMERAS, HEIGHT, WIDTH
from reworld_agent.scenes.synthetic.rollout import make_drive

Frames = list[dict[str, Any]]
FRAME = 8


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(make_drive("town_test", 1))


def project(camera: dict[str, Any], points: np.ndarray) -> np.ndarray:
    """Ego-frame points [N, 3] as pixels, by OpenCV and the logged calibration alone."""
    rotation = camera["sensor2lidar_rotation"].T
    shift = -rotation @ camera["sensor2lidar_translation"]
    pixels, _ = cv2.projectPoints(
        points, cv2.Rodrigues(rotation)[0], shift, camera["cam_intrinsic"], camera["distortion"]
    )
    return pixels[:, 0]


def corners(box: np.ndarray) -> np.ndarray:
    """The eight corners [8, 3] of a logged box."""
    x, y, z, length, width, height, yaw = box
    signs = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) / 2
    local = signs * [length, width, height]
    cos, sin = np.cos(yaw), np.sin(yaw)
    return local @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) + [x, y, z]


def find_lead(frames: Frames) -> tuple[int, np.ndarray]:
    """A frame with a moving car straight ahead and nothing before it, and the car's box."""
    for k, frame in enumerate(frames):
        anns = frame["anns"]
        boxes, speed = anns["gt_boxes"], np.hypot(*anns["gt_velocity_3d"][:, :2].T)
        ahead = (boxes[:, 0] > 8.0) & (boxes[:, 0] < 25.0) & (np.abs(boxes[:, 1]) < 2.0)
        ahead &= (speed > 0.1) & (anns["gt_names"] == "vehicle")
        if ahead.sum() == 1:
            return k, boxes[ahead][0]
    raise AssertionError("no car ahead in this log")


def test_a_car_is_painted_where_its_logged_box_is(renderer: Renderer, frames: Frames) -> None:
    frame, box = find_lead(frames)
    camera = frames[frame]["cams"]["CAM_F0"]
    pixels = project(camera, corners(box))
    full = renderer.image("CAM_F0", frame * STRIDE).astype(int)
    bodies = renderer.stage.bodies
    lead = int(np.argmin(_distances(renderer, frame * STRIDE, box)))
    try:
        renderer.stage.bodies = [_invisible(b) if k == lead else b for k, b in enumerate(bodies)]
        without = renderer.image("CAM_F0", frame * STRIDE).astype(int)
    finally:
        renderer.stage.bodies = bodies
    rows, columns = np.nonzero(np.abs(full - without).sum(-1) > 30)
    low, high = pixels.min(0), pixels.max(0)
    shadow = 2.0 + 0.2 * camera["cam_intrinsic"][0, 0] / (box[0] - box[3] / 2)  # 0.15 m around it
    assert abs(columns.min() - low[0]) < shadow and abs(columns.max() - high[0]) < shadow
    assert abs(rows.min() - low[1]) < 4 and abs(rows.max() - high[1]) < shadow


def _distances(renderer: Renderer, step: int, box: np.ndarray) -> np.ndarray:
    x, y, heading = renderer.drive.ego_pose(step)
    cos, sin = np.cos(heading), np.sin(heading)
    place = np.array([x + cos * box[0] - sin * box[1], y + sin * box[0] + cos * box[1]])
    return np.hypot(*(renderer.drive.boxes[step, 1:, :2] - place).T)


def _invisible(shape: Any) -> Any:
    first = {name: value[:1] for name, value in vars(shape).items() if np.ndim(value) > 0}
    return replace(shape, **{**first, "points": shape.points[:1] * 0.0, "half": shape.half})


def test_lane_borders_are_painted_where_the_map_has_them(
    renderer: Renderer, frames: Frames
) -> None:
    """The yellow line between the directions, 8 to 20 m ahead, against the grey beside it."""
    drive, camera = renderer.drive, frames[0]["cams"]["CAM_F0"]
    image = renderer.image("CAM_F0", 0).astype(int)
    x, y, heading = drive.ego_pose(0)
    block = drive.net.blocks[drive.scenario.actors[0].path.blocks[0]]
    line = block.center_line
    cos, sin = np.cos(heading), np.sin(heading)
    local = (line - [x, y]) @ np.array([[cos, -sin], [sin, cos]])
    near = local[(local[:, 0] > 7.0) & (local[:, 0] < 20.0)]
    assert len(near) > 5
    yellow = 0
    for point in near:
        u, v = np.round(project(camera, np.array([[*point, 0.0]]))[0]).astype(int)
        if not (4 <= u < WIDTH - 4 and 0 <= v < HEIGHT):
            continue
        patch = image[v, u - 4 : u + 5]
        yellow += bool((patch[:, 2] - patch[:, 0]).max() > 40)
        assert abs(image[v, u - 40, 2] - image[v, u - 40, 0]) < 30 or u < 60
    assert yellow > 4


def test_brake_lights_are_bright_when_the_lead_brakes(renderer: Renderer) -> None:
    record = renderer.drive.record
    body = renderer.stage.bodies[0]
    assert body.brake.any()
    steps = [int(record.a[:, 1].argmin()), int(record.a[:, 1].argmax())]
    shown = [renderer.stage.at(k, renderer.drive.ego_pose(k)[:2], np.zeros(2)) for k in steps]
    braking = [[t.braking for t in things if t.shape is body] for things in shown]
    assert braking[0][0] and not braking[1][0]


@pytest.mark.parametrize("camera", CAMERAS)
def test_every_camera_gives_a_picture(renderer: Renderer, camera: str) -> None:
    image = renderer.image(camera, 40)
    assert image.shape == (HEIGHT, WIDTH, 3) and image.dtype == np.uint8
    assert image[HEIGHT // 2 + 10 :].std() > 5.0


def test_images_on_disk_are_those_of_the_log(
    town: SplitRoots, frames: Frames, renderer: Renderer
) -> None:
    blobs = town.data_root / "sensor_blobs" / town.data_split
    for frame in frames:
        assert (blobs / frame["cams"]["CAM_F0"]["data_path"]).is_file()
        assert not (blobs / frame["cams"]["CAM_B0"]["data_path"]).exists()
    path = Path(blobs / frames[FRAME]["cams"]["CAM_F0"]["data_path"])
    image = cv2.imread(str(path))
    assert image is not None
    stored = image.astype(float)
    fresh = renderer.image("CAM_F0", FRAME * STRIDE).astype(float)
    assert np.abs(stored - fresh).mean() < 4.0


def test_the_ground_is_the_same_in_every_process() -> None:
    code = (
        "import hashlib; from reworld_agent.scenes.synthetic.render.ground import build_ground\n"
        "levels = build_ground('us-nv-las-vegas-strip').levels\n"
        "print(*[hashlib.sha256(level).hexdigest() for level in levels])"
    )
    processes = [  # the order of a set of names is another under each of these seeds
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("5", "6")
    ]
    one, other = (process.communicate()[0] for process in processes)
    assert one == other != ""

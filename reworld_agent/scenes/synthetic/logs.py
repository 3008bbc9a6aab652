"""A drive as NAVSIM's log: a list of frame dicts at 2 Hz, pickled."""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

import numpy as np

from reworld_agent.scenes.synthetic.actors.actor import PERSON
from reworld_agent.scenes.synthetic.actors.traffic import STEP
from reworld_agent.scenes.synthetic.drive import FRAME, STRIDE, Drive, Moment
from reworld_agent.scenes.synthetic.render.cameras import CAMERAS, SENSORS, calibration
from reworld_agent.scenes.synthetic.town.geometry import Array, at_distance
from reworld_agent.scenes.synthetic.town.routes import Path

PICKLE_PROTOCOL = 4  # fixed: the same drive gives the same bytes
EPOCH = 1_767_225_600_000_000  # us, 2026-01-01
RANGE = 75.0  # m around ego within which things are annotated
COMMAND_AHEAD, COMMAND_ASIDE = 20.0, 2.0  # m: NAVSIM's rule for left, straight, right
_FRAME_SCENE = 40  # frames of a nuPlan scene of 20 s


def log_bytes(drive: Drive) -> bytes:
    """The log file of a drive."""
    return pickle.dumps(log_frames(drive), protocol=PICKLE_PROTOCOL)


def log_frames(drive: Drive) -> list[dict[str, Any]]:
    """The frames of a drive, with all keys of OpenScene's logs."""
    things = AnnotatedThings(drive)
    return [_frame(drive, k, things) for k in range(drive.plan.frames)]


def frame_token(drive: Drive, k: int) -> str:
    """The token of frame k."""
    return drive.token("frame", k)


def image_path(drive: Drive, camera: str, k: int) -> str:
    """The image of frame k, relative to sensor_blobs/<split>."""
    return f"{drive.name}/{camera}/{drive.token(camera, k)}.jpg"


def timestamp(drive: Drive, seconds: float) -> int:
    """Microseconds since 1970 of a time of the drive (s)."""
    return EPOCH + drive.index * 3_600_000_000 + round(seconds * 1e6)


class AnnotatedThings:
    """All things that are annotated, with their constant columns; ego is not among them."""

    def __init__(self, drive: Drive) -> None:
        actors, walkers, fixed = drive.scenario.actors[1:], drive.scenario.walkers, drive.fixed
        self.fixed = np.array([row[1:4] for row in fixed]).reshape(-1, 3)
        names = [a.kind for a in actors] + ["pedestrian"] * len(walkers) + [r[0] for r in fixed]
        sizes = [a.size for a in actors] + [PERSON] * len(walkers) + [r[4:7] for r in fixed]
        self.names = np.array(names, dtype="<U16")
        self.sizes = np.array(sizes)
        self.tracks = [drive.token("track", k) for k in range(len(names))]

    def now(self, moment: Moment) -> tuple[Array, Array]:
        """Poses [N, 3] and velocities [N, 2] in the town's frame."""
        boxes, walkers = moment.boxes[1:], moment.walkers
        poses = np.concatenate([boxes[:, [0, 1, 4]], walkers[:, :3], self.fixed])
        speeds = np.concatenate([moment.speed[1:], walkers[:, 3], np.zeros(len(self.fixed))])
        return poses, speeds[:, None] * np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], -1)


def annotate(drive: Drive, moment: Moment, things: AnnotatedThings) -> dict[str, Any]:
    """NAVSIM's `anns`: boxes, names, velocities and tokens of all near ego, in ego's frame."""
    poses, velocities = things.now(moment)
    x, y, heading = moment.ego
    step = round(moment.time / STEP)
    cos, sin = np.cos(heading), np.sin(heading)
    to_ego = np.array([[cos, sin], [-sin, cos]])
    near = np.flatnonzero(np.hypot(poses[:, 0] - x, poses[:, 1] - y) < RANGE)
    boxes, velocity = np.zeros((len(near), 7)), np.zeros((len(near), 3))
    boxes[:, :2] = (poses[near, :2] - [x, y]) @ to_ego.T
    boxes[:, 2] = things.sizes[near, 2] / 2
    boxes[:, 3:6] = things.sizes[near]
    boxes[:, 6] = (poses[near, 2] - heading + np.pi) % (2 * np.pi) - np.pi
    velocity[:, :2] = velocities[near] @ to_ego.T
    return {
        "gt_boxes": boxes,
        "gt_names": things.names[near],
        "gt_velocity_3d": velocity,
        "instance_tokens": [drive.token("instance", step, int(k)) for k in near],
        "track_tokens": [things.tracks[k] for k in near],
    }


class Motion(NamedTuple):
    """How ego moves (SI units)."""

    speed: float
    acceleration: float
    aside: float  # acceleration to the left
    yaw_rate: float


def recorded_motion(drive: Drive, step: int) -> Motion:
    """How ego moves at a step of the recorded drive."""
    s, v, a = (
        float(column[step, 0]) for column in (drive.record.s, drive.record.v, drive.record.a)
    )
    curvature = float(drive.scenario.actors[0].path.at(s)[2])
    at_rest = v < 1e-3 and a < 0.0
    return Motion(v, 0.0 if at_rest else a, v * v * curvature, v * curvature)


def driving_command(drive: Drive, step: int) -> Array:
    """One-hot int [4] (left, straight, right, unknown): the side of the route 20 m ahead."""
    s = float(drive.record.s[step, 0])
    return command_at(drive.scenario.actors[0].path, s, drive.ego_pose(step))


def command_at(path: Path, s: float, pose: Array) -> Array:
    """NAVSIM's command [4] for an ego at `pose` [3] whose place on its route is s (m)."""
    x, y, heading = pose
    ahead = at_distance(path.xy[int(s) :], COMMAND_AHEAD + s - int(s)) - [x, y]
    aside = -np.sin(heading) * ahead[0] + np.cos(heading) * ahead[1]
    index = 0 if aside >= COMMAND_ASIDE else (2 if aside <= -COMMAND_ASIDE else 1)
    return np.eye(4, dtype=np.int64)[index]


def _frame(drive: Drive, k: int, things: AnnotatedThings) -> dict[str, Any]:
    step = k * STRIDE
    moment, motion = drive.moment(step), recorded_motion(drive, step)
    return frame_dict(drive, k, moment, motion, driving_command(drive, step), things)


def frame_dict(
    drive: Drive,
    k: int,
    moment: Moment,
    motion: Motion,
    command: Array,
    things: AnnotatedThings,
) -> dict[str, Any]:
    """Frame k of a log, k * FRAME seconds after its first, with all keys of OpenScene's.

    Args:
        drive: whose log it is.
        k: number of the frame.
        moment: where everybody is then; motion: how ego moves.
        command: NAVSIM's driving command [4].
        things: all that is annotated.
    """
    pose = moment.ego
    place = np.array([*(pose[:2] + drive.net.plan.origin), 0.0])
    turn = np.array([np.cos(pose[2] / 2), 0.0, 0.0, np.sin(pose[2] / 2)])
    v, a, aside, yaw_rate = motion
    matrix = np.eye(4)
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    matrix[:2, :2] = [[cos, -sin], [sin, cos]]
    matrix[:3, 3] = place
    last = k == drive.plan.frames - 1
    rest = [a, aside, 0.0, v, 0.0, 0.0, 0.0, 0.0, yaw_rate, 0.0, 0.0]
    return {
        "token": frame_token(drive, k),
        "frame_idx": k,
        "timestamp": timestamp(drive, k * FRAME),
        "log_name": drive.name,
        "log_token": drive.token("log"),
        "scene_name": f"{drive.name}-{k // _FRAME_SCENE:03d}",
        "scene_token": drive.token("scene", k // _FRAME_SCENE),
        "map_location": drive.net.plan.city,
        "roadblock_ids": [str(block) for block in drive.scenario.actors[0].path.blocks],
        "vehicle_name": drive.name.split("_")[1],
        "can_bus": np.concatenate([place, turn, rest]),
        "lidar_path": f"{drive.name}/MergedPointCloud/{frame_token(drive, k)}.pcd",
        "lidar2ego_translation": np.zeros(3),
        "lidar2ego_rotation": np.array([1.0, 0.0, 0.0, 0.0]),
        "ego2global_translation": place,
        "ego2global_rotation": turn,
        "ego_dynamic_state": [v, 0.0, a, aside],
        "traffic_lights": drive.signals.frame(k * FRAME),
        "driving_command": command,
        "cams": _cameras(drive, k),
        "sample_prev": frame_token(drive, k - 1) if k else None,
        "sample_next": None if last else frame_token(drive, k + 1),
        "ego2global": matrix,
        "lidar2ego": np.eye(4),
        "lidar2global": matrix.copy(),
        "anns": annotate(drive, moment, things),
    }


def _cameras(drive: Drive, k: int) -> dict[str, Any]:
    cams = {}
    for name in CAMERAS:
        camera = calibration(name, SENSORS[drive.plan.version])
        cams[name] = {
            "data_path": image_path(drive, name, k),
            "sensor2lidar_rotation": camera.rotation,
            "sensor2lidar_translation": camera.translation,
            "cam_intrinsic": camera.intrinsic,
            "distortion": camera.distortion,
        }
    return cams

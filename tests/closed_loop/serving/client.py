"""A simulator's side of the egodriver contract, for tests: sends what it is told to."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
from carla_driver_interface.protocol import (
    AvailableCamera,
    CameraSpec,
    DriveRequest,
    DriveSessionCloseRequest,
    DriveSessionRequest,
    DynamicState,
    EgodriverServiceStub,
    OpenCVPinholeCameraParam,
    RolloutCameraImage,
    RolloutEgoTrajectory,
    Route,
    RouteRequest,
    Vec3,
    add_EgodriverServiceServicer_to_server,
)
from PIL import Image

from reworld_agent.closed_loop.serving.address import Address
from reworld_agent.closed_loop.serving.driver import REASON, DriverService, wishes_of
from reworld_agent.closed_loop.serving.lens import Lens, read_lens
from reworld_agent.closed_loop.serving.poses import (
    Array,
    quaternion_of,
    read_pose,
    rotation_of,
    write_pose,
)
from reworld_agent.closed_loop.serving.server import listening
from reworld_agent.scenes.camera_names import CAMERA_NAMES
from reworld_agent.scenes.synthetic.render.cameras import Sensor, calibration
from reworld_agent.scenes.types import AgentInput, SensorConfig, Trajectory, TrajectorySampling

SMALL = Sensor(64, 36)
FRONT = "CAM_F0"
STATE: dict[str, Any] = {"velocity": (5.0, 0.1), "acceleration": (0.3, -0.2)}


class WatchedAgent:
    """Keeps what it is given, and plans something that depends on all of it."""

    requires_scene = False

    def __init__(self, sensors: tuple[str, ...] = ("cam_f0",)) -> None:
        self.sensors, self.seen = sensors, list[AgentInput]()

    def get_sensor_config(self) -> SensorConfig:
        names = (*CAMERA_NAMES, "lidar_pc")
        return SensorConfig(**{name: name in self.sensors for name in names})

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        self.seen.append(agent_input)
        statuses = agent_input.ego_statuses
        bright = [float(frame.cam_f0.image.mean()) / 255.0 for frame in agent_input.cameras
                  if frame.cam_f0.image is not None]  # fmt: skip
        speed, turn = float(statuses[-1].ego_velocity[0]), sum(bright) / 4 - 0.5
        times = np.arange(1, 9) * 0.5
        poses = np.stack([speed * times, turn * times**2, turn * times], -1).astype(np.float32)
        poses[:, 1] += float(statuses[0].ego_pose[0]) / 100 + float(statuses[-1].driving_command[0])
        return Trajectory(poses, TrajectorySampling(num_poses=8, interval_length=0.5))


def camera(name: str = FRONT, mount: str = FRONT, sensor: Sensor = SMALL, **lens: Any) -> Any:
    """The declaration of one of NAVSIM's cameras."""
    own = calibration(mount, sensor)
    pose = write_pose(np.array([*own.translation, *quaternion_of(own.rotation)]))
    spec = CameraSpec(logical_id=name, resolution_w=sensor.width, resolution_h=sensor.height)
    lens = lens or {
        "opencv_pinhole_param": OpenCVPinholeCameraParam(
            focal_length_x=sensor.focal,
            focal_length_y=sensor.focal,
            principal_point_x=sensor.width / 2,
            principal_point_y=sensor.height / 2,
        )
    }
    spec.MergeFrom(CameraSpec(**lens))
    return AvailableCamera(intrinsics=spec, rig_to_camera=pose, logical_id=name)


def lens_of(message: Any) -> Lens:
    """As a session reads it."""
    return read_lens(message)


def png(image: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image, np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def picture(seed: int = 0, width: int = SMALL.width, height: int = SMALL.height) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def planar_pose(x: float, y: float, heading: float, z: float = 0.0) -> Array:
    return np.array([x, y, z, np.cos(heading / 2), 0.0, 0.0, np.sin(heading / 2)])


class Simulator:
    """One session with a driver."""

    def __init__(self, channel: grpc.Channel, uuid: str = "one") -> None:
        self.stub, self.uuid = EgodriverServiceStub(channel), uuid

    def start(self, *cameras: Any) -> None:
        request = DriveSessionRequest(session_uuid=self.uuid, random_seed=1)
        request.rollout_spec.vehicle.available_cameras.extend(cameras)
        self.stub.start_session(request)

    def image(self, time_us: int, data: bytes, name: str = FRONT) -> None:
        message = RolloutCameraImage(session_uuid=self.uuid)
        message.camera_image.frame_end_us = time_us
        message.camera_image.image_bytes = data
        message.camera_image.logical_id = name
        self.stub.submit_image_observation(message)

    def motion(self, time_us: int, pose: Array, **state: Any) -> None:
        message = RolloutEgoTrajectory(session_uuid=self.uuid)
        message.trajectory.poses.add(timestamp_us=time_us, pose=write_pose(pose))
        given = state or STATE
        message.dynamic_states.append(
            DynamicState(
                linear_velocity=Vec3(x=given["velocity"][0], y=given["velocity"][1]),
                linear_acceleration=Vec3(x=given["acceleration"][0], y=given["acceleration"][1]),
            )
        )
        self.stub.submit_egomotion_observation(message)

    def route(self, points: Any, time_us: int = 0) -> None:
        waypoints = [Vec3(x=x, y=y) for x, y in points]
        route = Route(timestamp_us=time_us, waypoints=waypoints)
        self.stub.submit_route(RouteRequest(session_uuid=self.uuid, route=route))

    def drive(self, now_us: int) -> tuple[Any, str]:
        """The reply, and the reason of a plan that stops; "" of the agent's own."""
        request = DriveRequest(session_uuid=self.uuid, time_now_us=now_us)
        reply, call = self.stub.drive.with_call(request, timeout=20)
        reason = pickle.loads(reply.debug_info.unstructured_debug_info)["reason"]
        sent = dict(call.trailing_metadata() or ()).get(REASON, "")
        assert bool(sent) == bool(reason)
        return reply, reason

    def close(self) -> None:
        self.stub.close_session(DriveSessionCloseRequest(session_uuid=self.uuid))

    def usual(self, now_us: int = 1_500_000, first_us: int = 0) -> None:
        """A history at 10 Hz up to `now_us`: pictures, a straight way at 5 m/s, a route."""
        for time_us in range(first_us, now_us + 1, 100_000):
            self.image(time_us, png(picture(time_us // 100_000)))
            self.motion(time_us, planar_pose(5e-6 * time_us, 0.0, 0.0))
        self.route([(x, 0.0) for x in range(0, 100, 2)])


@contextmanager
def served(agent: Any, address: str = "127.0.0.1", **more: Any) -> Iterator[grpc.Channel]:
    """A channel to a driver of this agent."""
    plan_timeout_s = more.pop("plan_timeout_s", 30.0)
    wishes = wishes_of(agent, "watched", named=more.pop("named", {}), **more)
    service = DriverService(agent, "watched", wishes, plan_timeout_s=plan_timeout_s)
    add = add_EgodriverServiceServicer_to_server
    with (
        listening(lambda server: add(service, server), Address(address), 4) as bound,
        grpc.insecure_channel(bound.dialled()) as channel,
    ):
        yield channel


def in_rig(anchor: Array, poses: Array) -> Array:
    """Poses [L, 3] (x, y, heading) in the rig at `anchor` [7] of poses [L, 7]."""
    turn = rotation_of(anchor)
    made = np.empty((len(poses), 3))
    made[:, :2] = ((poses[:, :3] - anchor[:3]) @ turn)[:, :2]
    for row, pose in zip(made, poses, strict=True):
        axis = turn.T @ rotation_of(pose)[:, 0]
        row[2] = np.arctan2(axis[1], axis[0])
    return made


def plan_in_rig(reply: Any) -> tuple[list[int], Array]:
    """Times (µs) and poses [L, 3] of a reply, in the rig of its first pose."""
    poses = np.array([read_pose(entry.pose) for entry in reply.trajectory.poses])
    times = [int(entry.timestamp_us) for entry in reply.trajectory.poses]
    return times, in_rig(poses[0], poses)

"""Messages that no simulator should send: a drive is answered, and the next session goes on."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("carla_driver_interface", reason="the extra `loop` is not installed")

import grpc
from carla_driver_interface.protocol import (
    OpenCVPinholeCameraParam,
    RolloutEgoTrajectory,
    Route,
    RouteRequest,
    Vec3,
    sensorsim_pb2,
)
from PIL import Image

from reworld_agent.scenes.synthetic.render.cameras import Sensor
from reworld_agent.scenes.types import AgentInput, Trajectory
from tests.closed_loop.serving.client import (
    Simulator,
    WatchedAgent,
    camera,
    picture,
    planar_pose,
    png,
    served,
)

NOW, LAST = 1_500_000, 2**64 - 1


def _ready(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.usual()


def _answered(channel: grpc.Channel, simulator: Simulator, now_us: int = NOW) -> str:
    """The reason of a drive whose plan is finite; a session after it drives."""
    reply, reason = simulator.drive(now_us)
    for entry in reply.trajectory.poses:
        assert np.isfinite([entry.pose.vec.x, entry.pose.vec.y, entry.pose.quat.w]).all()
    after = Simulator(channel, "after it")
    _ready(after)
    assert after.drive(NOW)[1] == ""
    return reason


def _lens(**numbers: Any) -> Any:
    usual = {"focal_length_x": 40.0, "focal_length_y": 40.0}
    usual |= {"principal_point_x": 32.0, "principal_point_y": 18.0}
    return camera(opencv_pinhole_param=OpenCVPinholeCameraParam(**(usual | numbers)))


def _fisheye(**numbers: Any) -> Any:
    return camera(opencv_fisheye_param=sensorsim_pb2.OpenCVFisheyeCameraParam(**numbers))


def _f_theta(**numbers: Any) -> Any:
    return camera(ftheta_param=sensorsim_pb2.FthetaCameraParam(**numbers))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (lambda: _lens(focal_length_x=np.nan), "is not finite"),
        (lambda: _lens(focal_length_x=0.0), "shows nothing ahead"),
        (lambda: _lens(focal_length_x=-40.0), "shows nothing ahead"),
        (lambda: _lens(principal_point_x=5000.0), "shows nothing ahead"),
        (lambda: _lens(radial_coeffs=[np.inf]), "is not finite"),
        (lambda: _fisheye(), "shows nothing ahead"),
        (lambda: _f_theta(), "shows nothing ahead"),
        (lambda: _f_theta(pixeldist_to_angle_poly=[1e300] * 9), "shows nothing ahead"),
        (lambda: _f_theta(pixeldist_to_angle_poly=[1e-3] * 100_000), "the lens of 'CAM_F0' has 8"),
    ],
)
def test_a_lens_that_can_be_none_is_not_painted_with(
    declared: Callable[[], Any], said: str
) -> None:
    with served(WatchedAgent()) as channel:
        simulator = Simulator(channel)
        simulator.start(declared())
        simulator.usual()
        assert said in _answered(channel, simulator)


def test_a_camera_that_is_declared_twice_is_refused() -> None:
    with served(WatchedAgent()) as channel:
        simulator = Simulator(channel)
        simulator.start(camera(), camera(mount="CAM_B0"))
        simulator.usual()
        assert "'CAM_F0' is declared twice" in _answered(channel, simulator)


def _states(simulator: Simulator, count: int) -> None:
    message = RolloutEgoTrajectory(session_uuid=simulator.uuid)
    for k in range(count):
        message.trajectory.poses.add(timestamp_us=k * 1_000_000)
    simulator.stub.submit_egomotion_observation(message)


def _route(simulator: Simulator, count: int) -> None:
    route = Route(waypoints=[Vec3(x=k, y=1e30) for k in range(count)])
    simulator.stub.submit_route(RouteRequest(session_uuid=simulator.uuid, route=route))


def _moving(simulator: Simulator, pose: Any, **state: Any) -> None:
    given = {"velocity": (5.0, 0.0), "acceleration": (0.0, 0.0)} | state
    simulator.motion(NOW, pose, **given)


def _bomb() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, format="PNG")
    return buffer.getvalue()


HERE = planar_pose(7.5, 0, 0)
USELESS: dict[str, tuple[Callable[[Simulator], None], str]] = {
    "far": (lambda s: _moving(s, planar_pose(3e38, 0, 0)), "a pose at [3"),
    "fast": (lambda s: _moving(s, HERE, velocity=(3e38, 0)), "velocity of 3e+38, more than 70"),
    "hard": (lambda s: _moving(s, HERE, acceleration=(9e9, 0)), "acceleration of 9e+09"),
    "a clock that is wrong": (lambda s: s.motion(10**15, HERE), "egomotion of a later time"),
    "a picture of then": (lambda s: s.image(10**15, png(picture())), "of a later time was sent"),
    "the end of time": (lambda s: s.motion(LAST, HERE), "egomotion of a later time"),
    "many states": (lambda s: _states(s, 50_000), "50000 poses at once"),
    "many points": (lambda s: _route(s, 50_000), "50000 points, more than"),
    "no bytes": (lambda s: s.image(NOW, b""), "cannot be read"),
    "a bomb": (lambda s: s.image(NOW, _bomb()), "cannot be read"),
    "a dot": (lambda s: s.image(NOW, png(picture(0, 8, 4))), "8 x 4, too small to be one"),
}


@pytest.mark.parametrize("name", USELESS)
def test_a_useless_message_costs_one_plan_and_no_more(name: str) -> None:
    send, said = USELESS[name]
    with served(WatchedAgent()) as channel:
        simulator = Simulator(channel)
        _ready(simulator)
        send(simulator)
        assert said in _answered(channel, simulator)
        later = NOW + 100_000
        simulator.image(later, png(picture(1)))
        simulator.motion(later, planar_pose(8.0, 0, 0))
        assert simulator.drive(later)[1] == ""


def test_pictures_of_another_size_are_a_new_camera_when_they_go_on() -> None:
    with served(WatchedAgent()) as channel:
        simulator = Simulator(channel)
        simulator.start(camera())
        simulator.image(0, png(picture(0, 128, 72)))  # the first is the odd one
        simulator.usual(first_us=100_000)
        assert "those before it 128 x 72" in simulator.drive(NOW)[1]
        assert simulator.drive(NOW)[1] == ""


def test_a_time_that_has_no_later_is_answered() -> None:
    with served(WatchedAgent()) as channel:
        simulator = Simulator(channel)
        _ready(simulator)
        assert _answered(channel, simulator, LAST) == f"{LAST} us is no time of a drive"


def test_observations_may_come_in_any_order() -> None:
    agent, times = WatchedAgent(), np.arange(0, NOW + 1, 100_000)
    with served(agent) as channel:
        simulator = Simulator(channel)
        simulator.start(camera())
        for time_us in np.random.default_rng(0).permutation(times).tolist():
            simulator.image(time_us, png(picture(time_us // 100_000)))
        for time_us in np.random.default_rng(1).permutation(times).tolist():
            simulator.motion(time_us, planar_pose(5e-6 * time_us, 0.0, 0.0))
        assert simulator.drive(NOW)[1] == ""
        _ready(other := Simulator(channel, "in order"))
        assert other.drive(NOW)[1] == ""
    for shuffled, ordered in zip(*(seen.cameras for seen in agent.seen), strict=True):
        np.testing.assert_array_equal(shuffled.cam_f0.image, ordered.cam_f0.image)
    for one, two in zip(*(seen.ego_statuses for seen in agent.seen), strict=True):
        np.testing.assert_array_equal(one.ego_pose, two.ego_pose)


@pytest.mark.parametrize("name", ["x" * 1_000_000, "a\nERROR root: b\x00\u202e", ""])
def test_names_are_told_in_one_short_line(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with served(WatchedAgent()) as channel:
        simulator = Simulator(channel, name)
        reason = _answered(channel, simulator)
        with pytest.raises(grpc.RpcError, match="there is no session"):
            simulator.image(0, b"")
    assert len(reason) < 310 and reason.isprintable()
    assert all(line.isprintable() and len(line) < 700 for line in caplog.messages)


class _WritesIntoItsInput(WatchedAgent):
    """Works in place, as some do."""

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        plan = super().compute_trajectory(agent_input)
        for frame in agent_input.cameras:
            seen: Any = frame.cam_f0
            seen.image[:], seen.intrinsics[:], seen.sensor2lidar_translation[:] = 0, 0.0, 0.0
        return plan


def test_an_agent_that_works_in_place_does_not_spoil_its_next_plan() -> None:
    plans = []
    for agent in (WatchedAgent(), _WritesIntoItsInput()):
        with served(agent) as channel:
            simulator = Simulator(channel)
            _ready(simulator)
            replies = [simulator.drive(NOW)[0] for _ in range(2)]
            plans += [reply.trajectory.poses[-1].pose.vec.y for reply in replies]
    assert len(set(plans)) == 1


def test_small_pictures_of_another_lens_are_refused_too() -> None:
    with served(WatchedAgent()) as channel:
        simulator = Simulator(channel)
        simulator.start(
            camera(
                sensor=Sensor(8, 8),
                opencv_pinhole_param=OpenCVPinholeCameraParam(
                    focal_length_x=3, focal_length_y=3, principal_point_x=4, principal_point_y=4
                ),
            )
        )
        simulator.image(NOW, png(picture(0, 8, 8)))
        simulator.motion(NOW, HERE)
        assert "too small to be one" in _answered(channel, simulator)

"""An agent behind AlpaSim's egodriver service: the same inputs and plan, or one that stops."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

pytest.importorskip("carla_driver_interface", reason="the extra `loop` is not installed")

import grpc
from carla_driver_interface.protocol import Empty
from carla_driver_interface.testing import FakeCamera, FakeLoop

from reworld_agent.baselines import ConstantVelocityAgent, HumanAgent
from reworld_agent.closed_loop.serving.driver import wishes_of
from reworld_agent.core.errors import ReWorldError
from reworld_agent.scenes.types import AgentInput, Trajectory, TrajectorySampling
from tests.closed_loop.serving.client import (
    STATE,
    Simulator,
    WatchedAgent,
    camera,
    picture,
    plan_in_rig,
    planar_pose,
    png,
    served,
)

NOW = 1_500_000


def test_the_agent_sees_what_navsim_would_give_it() -> None:
    agent = WatchedAgent()
    with served(agent) as channel:
        simulator = Simulator(channel)
        simulator.start(camera())
        heading = 0.1
        for time_us in range(0, NOW + 1, 100_000):
            simulator.image(time_us, png(picture(time_us)))
            way = 5e-6 * time_us
            pose = planar_pose(3 + way * np.cos(heading), 7 + way * np.sin(heading), heading)
            simulator.motion(time_us, pose)
        simulator.route([(0.0, 0.0), (10.0, 0.0), (30.0, 20.0)])
        _, reason = simulator.drive(NOW)
    assert not reason
    seen = agent.seen[0]
    for index, time_us in enumerate((0, 500_000, 1_000_000, 1_500_000)):
        front = seen.cameras[index].cam_f0
        np.testing.assert_array_equal(front.image, picture(time_us))
        assert front.intrinsics is not None and front.intrinsics[0, 0] == pytest.approx(51.5)
        place = np.asarray(front.sensor2lidar_translation)
        np.testing.assert_allclose(place, np.array([1.7, 0.0, 1.55]), atol=1e-6)
        assert seen.cameras[index].cam_l0.image is None
        wanted = np.array([5e-6 * time_us - 7.5, 0.0, 0.0])
        np.testing.assert_allclose(seen.ego_statuses[index].ego_pose, wanted, atol=2e-6)
    status = seen.ego_statuses[-1]
    assert status.ego_velocity.tolist() == np.float32(STATE["velocity"]).tolist()
    assert status.ego_acceleration.tolist() == np.float32(STATE["acceleration"]).tolist()
    assert status.driving_command.tolist() == [1, 0, 0, 0]  # left: 20 m ahead it is at y > 2 m


def test_the_plan_is_the_agents_own_to_a_millionth() -> None:
    agent = WatchedAgent()
    with served(agent) as channel:
        simulator = Simulator(channel)
        simulator.start(camera())
        simulator.usual()
        simulator.motion(NOW, planar_pose(0.0, 0.0, 0.0))
        reply, reason = simulator.drive(NOW)
    own = agent.compute_trajectory(agent.seen[0]).poses
    times, poses = plan_in_rig(reply)
    assert not reason and times[0] == NOW and times[-1] == NOW + 4_000_000
    knots = [times.index(NOW + 500_000 * k) for k in range(1, 9)]
    np.testing.assert_allclose(poses[knots], own, atol=1e-6)
    between = (own[0] + own[1]) / 2
    np.testing.assert_allclose(poses[7:9].mean(0), between, atol=1e-6)


def test_a_plan_lies_in_the_frame_of_the_simulator() -> None:
    agent = WatchedAgent()
    turned = planar_pose(120.0, -40.0, 2.0, z=3.0)
    with served(agent) as channel:
        simulator = Simulator(channel)
        simulator.start(camera())
        simulator.usual()
        simulator.motion(NOW, turned)
        reply, _ = simulator.drive(NOW)
    last, own = reply.trajectory.poses[-1].pose, agent.compute_trajectory(agent.seen[0]).poses[-1]
    x = 120.0 + np.cos(2.0) * own[0] - np.sin(2.0) * own[1]
    y = -40.0 + np.sin(2.0) * own[0] + np.cos(2.0) * own[1]
    assert (last.vec.x, last.vec.y, last.vec.z) == pytest.approx((x, y, 3.0), abs=2e-5)


def test_before_there_is_a_history_the_oldest_frame_is_repeated() -> None:
    agent = WatchedAgent()
    with served(agent) as channel:
        simulator = Simulator(channel)
        simulator.start(camera())
        simulator.usual(now_us=17_000)
        _, reason = simulator.drive(17_000)
    images = [np.asarray(frame.cam_f0.image) for frame in agent.seen[0].cameras]
    assert not reason and all(np.array_equal(image, picture(0)) for image in images)


class _Bad(WatchedAgent):
    """An agent that goes wrong in the way it is told to."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        made = super().compute_trajectory(agent_input)
        if self.how == "raises":
            raise RuntimeError("boom")
        if self.how == "nan":
            made.poses[3, 1] = np.nan
        if self.how == "teleports":
            made.poses[5:, 0] += 500.0
        if self.how == "falls back":
            self.fallback_reasons = ["the plan is not finite"]
        if self.how == "no trajectory":
            return "left"  # type: ignore[return-value]
        if self.how == "shape":
            sampling = TrajectorySampling(num_poses=8, interval_length=0.5)
            return Trajectory(made.poses[:, :2], sampling)
        return made


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raises", "the agent raised RuntimeError: boom"),
        ("nan", "poses are not finite"),
        ("teleports", "the plan moves at"),
        ("falls back", "the agent has no plan: the plan is not finite"),
        ("no trajectory", "no Trajectory with its sampling"),
        ("shape", "shape"),
    ],
)
def test_an_agent_that_goes_wrong_is_stopped(how: str, said: str) -> None:
    with served(_Bad(how)) as channel:
        simulator = Simulator(channel)
        simulator.start(camera())
        simulator.usual()
        reply, reason = simulator.drive(NOW)
    assert said in reason
    _stops(reply)


def _stops(reply: Any, speed: float = 5.0) -> None:
    """A plan that brakes at 3 m/s² and then stands."""
    times, poses = plan_in_rig(reply)
    seconds = (np.array(times) - times[0]) * 1e-6
    way = np.where(seconds < speed / 3, speed * seconds - 1.5 * seconds**2, speed**2 / 6)
    np.testing.assert_allclose(np.hypot(poses[:, 0], poses[:, 1]), way, atol=2e-2)


def _no_camera(simulator: Simulator) -> None:
    simulator.start()
    simulator.motion(NOW, planar_pose(0, 0, 0))


def _only_behind(simulator: Simulator) -> None:
    simulator.start(camera("rear", "CAM_B0"))
    simulator.motion(NOW, planar_pose(0, 0, 0))


def _no_pictures(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.motion(NOW, planar_pose(0, 0, 0))


def _late(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.usual(now_us=1_000_000)
    simulator.motion(NOW, planar_pose(7.5, 0, 0))


def _gap(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.usual(now_us=400_000)
    simulator.image(NOW, png(picture()))
    simulator.motion(NOW, planar_pose(7.5, 0, 0))


def _damaged(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.usual()
    simulator.image(NOW, png(picture())[:-400])


def _wrong_shape(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.usual()
    simulator.image(NOW, png(picture(0, 64, 64)))


def _wrong_size(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.usual()
    simulator.image(NOW, png(picture(0, 128, 72)))


def _undeclared(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.usual()
    simulator.image(NOW, png(picture()), "camera_left")


def _nan_pose(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.usual()
    simulator.motion(NOW, planar_pose(np.nan, 0, 0))


def _control_character(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.usual()
    simulator.image(NOW, png(picture()), "camera\x01\x00")


def _too_fast(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.usual()
    simulator.motion(NOW, planar_pose(0, 0, 0), velocity=(3e38, 0), acceleration=(0, 0))


def _too_far(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.usual()
    simulator.motion(NOW, planar_pose(3e38, 0, 0))


def _old_pose(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.usual()
    simulator.image(NOW + 500_000, png(picture()))


def _unequal_states(simulator: Simulator) -> None:
    simulator.start(camera())
    simulator.usual()
    from carla_driver_interface.protocol import DynamicState, RolloutEgoTrajectory

    states = [DynamicState(), DynamicState()]
    message = RolloutEgoTrajectory(session_uuid=simulator.uuid, dynamic_states=states)
    message.trajectory.poses.add(timestamp_us=NOW)
    simulator.stub.submit_egomotion_observation(message)


MALFORMED = {
    "no camera": (_no_camera, "the session has no camera for cam_f0"),
    "only a camera behind": (_only_behind, "it has rear"),
    "no pictures": (_no_pictures, "no picture of CAM_F0 has been sent"),
    "late pictures": (_late, "the last picture of CAM_F0 is 0.50 s old"),
    "a gap": (_gap, "no picture of CAM_F0 was sent near 1.00 s"),
    "a damaged picture": (_damaged, "the picture of CAM_F0 at 1.500 s cannot be read"),
    "another shape": (_wrong_shape, "64 x 64, of another shape than 64 x 36"),
    "another size": (_wrong_size, "128 x 72, those before it 64 x 36"),
    "an undeclared camera": (_undeclared, "a picture of 'camera_left', which was not declared"),
    "a pose of NaN": (_nan_pose, "a pose is not finite"),
    "a name that no terminal shows": (_control_character, "a picture of 'camera"),
    "a speed of no car": (_too_fast, "a linear velocity of"),
    "a place of no car": (_too_far, "a pose at"),
    "an old pose": (_old_pose, "ego's pose is 0.50 s old"),
    "unequal states": (_unequal_states, "2 dynamic states for 1 poses"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_session_ends_in_a_stop_plan_and_a_reason(name: str) -> None:
    agent = WatchedAgent()
    break_it, said = MALFORMED[name]
    with served(agent) as channel:
        simulator = Simulator(channel)
        break_it(simulator)
        reply, reason = simulator.drive(NOW + 500_000 * (name == "an old pose"))
        assert said in reason and not agent.seen
        _stops(reply)
        good = Simulator(channel, "after it")
        good.start(camera())
        good.usual()
        assert good.drive(NOW)[1] == "" and len(agent.seen) == 1


def test_one_bad_observation_costs_one_plan() -> None:
    with served(WatchedAgent()) as channel:
        simulator = Simulator(channel)
        _damaged(simulator)
        assert simulator.drive(NOW)[1]
        assert simulator.drive(NOW)[1] == ""


def test_without_a_pose_or_a_session_the_plan_is_empty() -> None:
    with served(WatchedAgent()) as channel:
        simulator = Simulator(channel)
        reply, reason = simulator.drive(NOW)
        assert reason == "there is no session 'one'" and not reply.trajectory.poses
        with pytest.raises(grpc.RpcError, match="there is no session 'one'"):
            simulator.image(0, b"")
        simulator.start(camera())
        simulator.image(NOW, png(picture()))
        reply, reason = simulator.drive(NOW)
        assert reason == "no egomotion has been sent" and not reply.trajectory.poses
        simulator.close()
        simulator.close()
        assert "no session" in simulator.drive(NOW)[1]


@pytest.mark.parametrize("now_us", [2**63, 2**64 - 1])
def test_a_time_that_is_none_is_answered(now_us: int) -> None:
    with served(WatchedAgent()) as channel:
        simulator = Simulator(channel)
        simulator.start(camera())
        simulator.usual()
        reply, reason = simulator.drive(now_us)
        assert "is no time of a drive" in reason and not reply.trajectory.poses
        assert simulator.drive(NOW)[1] == ""


def test_a_second_session_of_one_name_is_refused_and_the_first_goes_on() -> None:
    with served(WatchedAgent()) as channel:
        simulator = Simulator(channel)
        simulator.start(camera())
        simulator.usual()
        with pytest.raises(grpc.RpcError, match="session one exists already"):
            simulator.start()
        assert simulator.drive(NOW)[1] == ""


def test_sessions_at_once_do_not_see_each_other() -> None:
    agent = WatchedAgent()
    plans: dict[int, list[Any]] = {}

    def one(channel: grpc.Channel, number: int) -> None:
        simulator = Simulator(channel, f"session {number}")
        simulator.start(camera())
        simulator.usual()
        for _ in range(5):
            simulator.motion(
                NOW, planar_pose(0, 0, 0), velocity=(1.0 + number, 0), acceleration=(0, 0)
            )
            plans.setdefault(number, []).append(plan_in_rig(simulator.drive(NOW)[0])[1][-1, 0])

    with served(agent) as channel:
        threads = [threading.Thread(target=one, args=(channel, number)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number in range(3):
        np.testing.assert_allclose(plans[number], 4.0 * (1 + number), rtol=1e-6)


def test_the_fake_loop_of_the_contracts_package_drives() -> None:
    with (
        served(ConstantVelocityAgent()) as channel,
        FakeLoop(channel, [FakeCamera(width=32, height=18)], initial_speed_mps=6.0) as loop,
    ):
        result = loop.run(12)
    assert result.steps == 12 and not result.terminated_by_policy
    np.testing.assert_allclose(result.speeds_mps, 6.0, rtol=1e-4)
    np.testing.assert_allclose(result.lateral_offsets_m, 0.0, atol=1e-5)


def test_it_says_what_it_is() -> None:
    with served(WatchedAgent()) as channel:
        version = Simulator(channel).stub.get_version(Empty())
    assert version.version_id.startswith("watched-reworld-")
    assert version.grpc_api_version.minor == 55


def test_agents_of_point_clouds_and_of_the_future_are_refused() -> None:
    with pytest.raises(ReWorldError, match="wants point clouds"):
        wishes_of(WatchedAgent(("lidar_pc",)), "lidar", named={})
    with pytest.raises(ReWorldError, match="reads the whole scene"):
        wishes_of(HumanAgent(), "human", named={})

"""The shipped weights behind the driver service: the plans that `reworld score` would score."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("carla_driver_interface", reason="the extra `loop` is not installed")

from reworld_agent.agent import ReWorldAgent
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.scenes.synthetic.render.cameras import SENSORS
from reworld_agent.scenes.types import AgentInput
from tests.closed_loop.serving.client import (
    FRONT,
    Simulator,
    camera,
    plan_in_rig,
    planar_pose,
    png,
    served,
)

ASIDE = {0: 3.0, 1: 0.0, 2: -3.0}  # m, 20 m ahead: left, straight, right
LAST = 1_500_000


def send(simulator: Simulator, seen: AgentInput) -> None:
    """A scene as a simulator would have sent it."""
    simulator.start(camera(sensor=SENSORS["5"]))
    for index, (status, cameras) in enumerate(zip(seen.ego_statuses, seen.cameras, strict=True)):
        time_us = LAST - 500_000 * (3 - index)
        simulator.image(time_us, png(cameras.cam_f0.image), FRONT)
        simulator.motion(
            time_us,
            planar_pose(*(float(value) for value in status.ego_pose)),
            velocity=status.ego_velocity,
            acceleration=status.ego_acceleration,
        )
    command = int(np.argmax(seen.ego_statuses[-1].driving_command))
    simulator.route([(20.0, ASIDE[command])])


@pytest.mark.slow
def test_served_plans_are_navsims() -> None:
    agent = ReWorldAgent()
    agent.initialize()
    sensors = agent.get_sensor_config()
    loader = resolve_split("town_test").loader(SceneFilter(frame_interval=40), sensors)
    worst = 0.0
    with served(agent) as channel:
        for token in loader.tokens[:12]:
            seen = loader.get_agent_input_from_token(token)
            own = agent.compute_trajectory(seen).poses
            simulator = Simulator(channel, token)
            send(simulator, seen)
            reply, reason = simulator.drive(LAST)
            assert not reason
            times, poses = plan_in_rig(reply)
            knots = [times.index(LAST + 500_000 * k) for k in range(1, 9)]
            worst = max(worst, float(np.abs(poses[knots] - own).max()))
    print(f"{len(loader.tokens[:12])} scenes, largest difference {worst:.1e}")
    assert worst < 1e-6

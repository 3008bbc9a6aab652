"""An agent that takes its time holds nobody up."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

pytest.importorskip("carla_driver_interface", reason="the extra `loop` is not installed")

from reworld_agent.closed_loop.serving.planning import Planning
from reworld_agent.closed_loop.serving.session import SessionFault
from reworld_agent.scenes.types import AgentInput
from tests.closed_loop.serving.client import Simulator, WatchedAgent, camera, served

NOW = 1_500_000
GIVEN: Any = AgentInput([], [], [])


class _Slow(WatchedAgent):
    """Plans when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = threading.Event()

    def compute_trajectory(self, agent_input: AgentInput) -> Any:
        self.let.wait(60)
        return super().compute_trajectory(agent_input)


def test_drives_of_all_sessions_are_answered_while_a_plan_hangs() -> None:
    agent = _Slow()
    with served(agent, plan_timeout_s=0.5) as channel:
        first, second = Simulator(channel, "one"), Simulator(channel, "two")
        for simulator in (first, second):
            simulator.start(camera())
            simulator.usual()
        reply, reason = first.drive(NOW)
        assert reason == "the agent has made no plan within 0.5 s"
        assert len(reply.trajectory.poses) > 2  # one that stops
        for simulator in (second, first):
            _, reason = simulator.drive(NOW)
            assert "is still making a plan that it began" in reason  # said without waiting
        agent.let.set()
        reason = "not yet"
        for _ in range(100):
            if not reason:
                break
            time.sleep(0.05)
            _, reason = second.drive(NOW)
        assert not reason
    assert len(agent.seen) == 2  # nobody waited for the plans of drives that were answered


def test_who_waits_for_anothers_plan_does_not_wait_longer() -> None:
    agent = _Slow()
    planning, faults = Planning(agent, 0.3), []

    def ask() -> None:
        with pytest.raises(SessionFault) as fault:
            planning.plan(GIVEN)
        faults.append(str(fault.value))

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(5)
    assert faults == ["the agent has made no plan within 0.3 s"] * 3
    agent.let.set()


class _Ends:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def compute_trajectory(self, agent_input: AgentInput) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_an_agent_that_ends_the_program_ends_a_plan(error: BaseException) -> None:
    planning = Planning(_Ends(error), 5.0)
    for _ in range(2):  # the thread lives
        with pytest.raises(SessionFault, match=f"the agent raised {type(error).__name__}"):
            planning.plan(GIVEN)


def test_what_an_agent_raises_comes_through() -> None:
    for error in (TimeoutError("its own"), ValueError("bad")):
        with pytest.raises(type(error), match=str(error)):
            Planning(_Ends(error), 5.0).plan(GIVEN)

"""The closed loop over NAVSIM logs: the ego is free, everybody else drives as logged."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.closed_loop.replay.verdict import LogVerdict, judge_log
    from reworld_agent.closed_loop.replay.world import LogWorld

__all__ = ["LogVerdict", "LogWorld", "judge_log"]

__getattr__, __dir__ = lazy_face(
    __name__, {"verdict": ["LogVerdict", "judge_log"], "world": ["LogWorld"]}
)

"""The closed loop over NAVSIM logs: the ego is free, everybody else drives as logged."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.closed_loop.replay.scenarios import LogScenario, of_logs
    from reworld_agent.closed_loop.replay.stage_scenarios import StagedScenario, of_groups
    from reworld_agent.closed_loop.replay.stages import StagedWorld, judge_stages
    from reworld_agent.closed_loop.replay.verdict import judge_log
    from reworld_agent.closed_loop.replay.world import LogWorld

__all__ = [
    "LogScenario",
    "LogWorld",
    "StagedScenario",
    "StagedWorld",
    "judge_log",
    "judge_stages",
    "of_groups",
    "of_logs",
]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "scenarios": ["LogScenario", "of_logs"],
        "stage_scenarios": ["StagedScenario", "of_groups"],
        "stages": ["StagedWorld", "judge_stages"],
        "verdict": ["judge_log"],
        "world": ["LogWorld"],
    },
)

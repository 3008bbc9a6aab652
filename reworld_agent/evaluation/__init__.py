"""Evaluation in two phases: an agent plans every scene of a split, then the plans are scored."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.evaluation.agent_choice import AgentChoice
    from reworld_agent.evaluation.file_scores import FileScores, score_file
    from reworld_agent.evaluation.file_settings import ScoreFileSettings
    from reworld_agent.evaluation.reward_service import serve_reward
    from reworld_agent.evaluation.reward_settings import ServeRewardRun
    from reworld_agent.evaluation.run import Evaluation, evaluate
    from reworld_agent.evaluation.settings import EvaluationRun

__all__ = [
    "AgentChoice",
    "Evaluation",
    "EvaluationRun",
    "FileScores",
    "ScoreFileSettings",
    "ServeRewardRun",
    "evaluate",
    "score_file",
    "serve_reward",
]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "agent_choice": ["AgentChoice"],
        "file_scores": ["FileScores", "score_file"],
        "file_settings": ["ScoreFileSettings"],
        "reward_service": ["serve_reward"],
        "reward_settings": ["ServeRewardRun"],
        "run": ["Evaluation", "evaluate"],
        "settings": ["EvaluationRun"],
    },
)

"""Evaluation in two phases: an agent plans every scene of a split, then the plans are scored."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.evaluation.file_scores import FileScores, score_file
    from reworld_agent.evaluation.file_settings import ScoreFileSettings

__all__ = ["FileScores", "ScoreFileSettings", "score_file"]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "file_scores": ["FileScores", "score_file"],
        "file_settings": ["ScoreFileSettings"],
    },
)

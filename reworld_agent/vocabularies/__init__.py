"""Vocabularies: fixed sets of trajectories that planners choose from, scored over whole splits."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.vocabularies.build import build_vocabulary
    from reworld_agent.vocabularies.files import read_vocabulary
    from reworld_agent.vocabularies.oracle import oracle
    from reworld_agent.vocabularies.score import score_vocabulary
    from reworld_agent.vocabularies.settings import (
        BuildVocabularyRun,
        OracleSettings,
        ScoreVocabularyRun,
    )

__all__ = [
    "BuildVocabularyRun",
    "OracleSettings",
    "ScoreVocabularyRun",
    "build_vocabulary",
    "oracle",
    "read_vocabulary",
    "score_vocabulary",
]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "build": ["build_vocabulary"],
        "files": ["read_vocabulary"],
        "oracle": ["oracle"],
        "score": ["score_vocabulary"],
        "settings": ["BuildVocabularyRun", "OracleSettings", "ScoreVocabularyRun"],
    },
)

"""The methods of the paper's Table 2 as Stage 1 objectives under one Protocol and one protocol.

`docs/extending/objective.md` shows how one is added from outside. This face imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face
from reworld_agent.objectives.baselines.protocol import (
    DiTShape,
    Objective,
    ObjectiveBuilder,
    Teacher,
    TimeDraw,
    WithEncoder,
    WorldBatch,
)
from reworld_agent.objectives.baselines.registry import OBJECTIVES, REPRESENTATIONS, encoder_of

if TYPE_CHECKING:
    from reworld_agent.objectives.baselines.base import Representation
    from reworld_agent.objectives.baselines.build import build_representation
    from reworld_agent.objectives.baselines.encoders import FrozenEncoder

__all__ = [
    "OBJECTIVES",
    "REPRESENTATIONS",
    "DiTShape",
    "FrozenEncoder",
    "Objective",
    "ObjectiveBuilder",
    "Representation",
    "Teacher",
    "TimeDraw",
    "WithEncoder",
    "WorldBatch",
    "build_representation",
    "encoder_of",
]
__getattr__, __dir__ = lazy_face(
    __name__,
    {"base": ["Representation"], "build": ["build_representation"], "encoders": ["FrozenEncoder"]},
)

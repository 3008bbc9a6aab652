"""One file per term of the paper; equation numbers are those of arXiv 2606.27504v1.

Flow matching convention everywhere: x_t = (1 - t) x_0 + t noise, t = 1 is noise, the velocity to
predict is noise - x_0. Importing this face imports nothing; the registry is in `baselines`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.objectives.action_flow import action_flow_loss
    from reworld_agent.objectives.alignment import alignment_loss, readout_loss
    from reworld_agent.objectives.flow import (
        clean_estimate,
        interpolate,
        masked_mse,
        velocity_target,
    )
    from reworld_agent.objectives.generation import generation_loss
    from reworld_agent.objectives.intermediate import intermediate_loss
    from reworld_agent.objectives.repulsion import repulsion_loss
    from reworld_agent.objectives.sharded_rng import ShardedRng
    from reworld_agent.objectives.terms import TERMS, PlanState, PlanTerm, VideoState, VideoTerm

__all__ = [
    "TERMS",
    "PlanState",
    "PlanTerm",
    "ShardedRng",
    "VideoState",
    "VideoTerm",
    "action_flow_loss",
    "alignment_loss",
    "clean_estimate",
    "generation_loss",
    "intermediate_loss",
    "interpolate",
    "masked_mse",
    "readout_loss",
    "repulsion_loss",
    "velocity_target",
]
__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "action_flow": ["action_flow_loss"],
        "alignment": ["alignment_loss", "readout_loss"],
        "flow": ["clean_estimate", "interpolate", "masked_mse", "velocity_target"],
        "generation": ["generation_loss"],
        "intermediate": ["intermediate_loss"],
        "repulsion": ["repulsion_loss"],
        "sharded_rng": ["ShardedRng"],
        "terms": ["TERMS", "PlanState", "PlanTerm", "VideoState", "VideoTerm"],
    },
)

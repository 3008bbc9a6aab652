"""Planner heads, which turn video states into a plan, behind one Protocol: built by name.

`docs/extending/planner_head.md` shows how one is added from outside. This face imports no torch.
"""

from __future__ import annotations

from reworld_agent.config import PlannerConfig, VideoConfig
from reworld_agent.core.extending.registry import Registry
from reworld_agent.planner.heads.protocol import (
    ActionOutput,
    HeadBuilder,
    Learned,
    Memory,
    OwnLoss,
    OwnSampling,
    PlannerHead,
    Readout,
)

__all__ = [
    "PLANNER_HEADS",
    "ActionOutput",
    "HeadBuilder",
    "Learned",
    "Memory",
    "OwnLoss",
    "OwnSampling",
    "PlannerHead",
    "Readout",
    "build_head",
]

PLANNER_HEADS: Registry[HeadBuilder] = Registry(
    "planner_head", {"action_dit": "reworld_agent.planner.heads.action_dit:ActionDiT.build"}
)


def build_head(config: PlannerConfig, video: VideoConfig) -> PlannerHead:
    """The planner head of a configuration, randomly initialised; ConfigError where it has none.

    Args:
        config: of the planner.
        video: of the backbone whose states it reads: `num_layers` of them, of `width` channels.
    """
    return PLANNER_HEADS.get(config.head, "planner.head")(config, video)

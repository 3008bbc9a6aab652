"""What to do: the action space, planner heads, their sampler.

Importing this face imports nothing; `planner.heads` has the registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.planner.actions import DELTA_DIVISOR, DELTA_MEAN, ActionNormaliser, delta
    from reworld_agent.planner.sampler import sample_plan, scene_noise

__all__ = ["DELTA_DIVISOR", "DELTA_MEAN", "ActionNormaliser", "delta", "sample_plan", "scene_noise"]
__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "actions": ["DELTA_DIVISOR", "DELTA_MEAN", "ActionNormaliser", "delta"],
        "sampler": ["sample_plan", "scene_noise"],
    },
)

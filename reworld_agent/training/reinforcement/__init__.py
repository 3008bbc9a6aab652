"""Stage 4: a planner that has learned goes on by the exact score of what it plans."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.training.reinforcement.learner import PolicyLearner
    from reworld_agent.training.reinforcement.rewards import PlanReward

__all__ = ["PlanReward", "PolicyLearner"]

__getattr__, __dir__ = lazy_face(
    __name__, {"learner": ["PolicyLearner"], "rewards": ["PlanReward"]}
)

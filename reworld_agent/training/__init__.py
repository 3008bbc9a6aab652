"""Stages, losses, data and the loop that trains them."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.training.resume import Trained
    from reworld_agent.training.stage_run import run
    from reworld_agent.training.train_run import TrainRun

__all__ = ["TrainRun", "Trained", "run"]

__getattr__, __dir__ = lazy_face(
    __name__,
    {"resume": ["Trained"], "stage_run": ["run"], "train_run": ["TrainRun"]},
)

"""Latent actions over a frozen codec, trained and judged (`reworld video train-actions`)."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.training.latent_actions.run import TrainedActions, train_actions
    from reworld_agent.training.latent_actions.settings import ActionTrainSettings

__all__ = ["ActionTrainSettings", "TrainedActions", "train_actions"]

__getattr__, __dir__ = lazy_face(
    __name__,
    {"run": ["TrainedActions", "train_actions"], "settings": ["ActionTrainSettings"]},
)

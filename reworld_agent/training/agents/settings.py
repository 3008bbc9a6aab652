"""`AgentTrainRun`: what the training of any agent takes, checked before data is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from omegaconf import DictConfig

from reworld_agent.core.configs import plain
from reworld_agent.core.errors import UsageError
from reworld_agent.core.sections import from_mapping
from reworld_agent.core.settings import setting
from reworld_agent.evaluation.agent_choice import AgentChoice, chosen_agent, read_agent
from reworld_agent.scenes.roots import require_split
from reworld_agent.training.settings import TrainingSettings

BATCH_SIZE, EPOCHS = 64, 100  # as the devkit's default_training has them
# What only a stage of ReWorld takes, with the values that say nothing.
_OF_STAGES: dict[str, Any] = {
    **dict.fromkeys(("clips", "clips_root", "prompts", "t5", "encoder", "vae"), None),
    "clips_split": "train",
    "latents": [],
    "protocol": "paper",
    "representation": "reworld",
    "random_encoder": False,
    "stage": "1",
    "method": None,
    "recipe": "paper",
    "model": "tiny",
}


@dataclass(frozen=True, kw_only=True)
class AgentTrainRun(TrainingSettings):
    """The training of an agent by its own loss and optimiser.

    One epoch is a pass over the scenes. `dataloader.params.batch_size` is of one process, and
    null is the devkit's 64; without `max_steps` and `max_epochs` there are the devkit's 100 epochs.

    Raises:
        UsageError: settings that cannot be, or are those of a stage of ReWorld.
    """

    agent: AgentChoice = setting("the agent", read=read_agent, keys=lambda: None)

    @classmethod
    def from_config(
        cls, cfg: DictConfig, choices: Mapping[str, str] | None = None
    ) -> AgentTrainRun:
        """From the configuration of `run_training.py`; see the class for what it raises.

        Args:
            cfg: composed.
            choices: names of the files that were chosen for its groups: `agent` is the agent's.
        """
        values = plain(cfg)
        agent = chosen_agent(values["agent"], choices)
        for name, nothing in _OF_STAGES.items():
            if values.get(name) not in (nothing, None):
                hint = f"{name}= is of agent=reworld: leave it out"
                raise UsageError(f"{name}={values[name]} with agent={agent.name}", hint)
        return from_mapping(cls, {**values, "agent": agent}, strangers=True)

    def check(self) -> None:
        """See the class."""
        self.agent.require_weights()
        _require_builders(self.agent)
        if self.validation.split is not None:
            require_split(self.validation.split)
        if self.trainer.sharded:
            message = (
                f"trainer.params.strategy={self.trainer.strategy} with agent={self.agent.name}"
            )
            raise UsageError(message, "it shards ReWorld's model alone: use ddp")

    @property
    def batch_size(self) -> int:
        """Scenes of one process in one forward."""
        return self.dataloader.batch_size or BATCH_SIZE

    @property
    def epochs(self) -> int | None:
        """Passes over the scenes; None where `max_steps` alone is the end."""
        if self.trainer.epochs is None and self.trainer.steps is None:
            return EPOCHS
        return self.trainer.epochs


def _require_builders(agent: AgentChoice) -> None:
    """Raise UsageError for an agent that learns nothing, such as one that replays the log."""
    module, _, name = agent.target.rpartition(".")
    found = getattr(import_module(module), name)
    for name in ("get_feature_builders", "get_target_builders", "compute_loss"):
        owner = next((base for base in found.__mro__ if name in vars(base)), None)
        if owner is None or owner.__name__ == "AbstractAgent":  # the devkit's, or ours
            hint = (
                "train agent=reworld, ego_status_mlp, or an agent of yours with builders and a loss"
            )
            raise UsageError(f"agent={agent.name} cannot be trained: it has no {name}()", hint)

"""The settings of a training, from its configuration: of a stage of ReWorld, or of any agent."""

from __future__ import annotations

from collections.abc import Mapping

from omegaconf import DictConfig

from reworld_agent.training.agents.settings import AgentTrainRun
from reworld_agent.training.train_run import TrainRun


def settings_of(
    cfg: DictConfig, choices: Mapping[str, str] | None = None
) -> TrainRun | AgentTrainRun:
    """The run of a configuration of `run_training.py`: the agent says of which kind.

    Args:
        cfg: composed.
        choices: names of the files that were chosen for its groups.

    Raises:
        UsageError: settings that cannot be, or do not go together.
    """
    if "stage" in cfg.agent:  # agent/reworld.yaml alone has it
        return TrainRun.from_config(cfg, choices)
    return AgentTrainRun.from_config(cfg, choices)

"""From configuration to agents that are ready to plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from reworld_agent.core.errors import ConfigError, ReWorldError

CONFIG_MODULE, CONFIG_NAME = "navsim_configs", "reworld_run_pdm_score"


def build_agents(cfg: DictConfig) -> dict[str, Any]:
    """Agents of a run by name: the one of `cfg.agent`, then those named in `cfg.beside`,
    one or a list.

    Raises:
        ConfigError: an agent is unknown or named twice, or cannot be built.
        WeightsError: its weights are missing or belong to another configuration.
    """
    configs = {main_agent_name(cfg): cfg.agent}
    beside = cfg.get("beside") or []
    for name in [beside] if isinstance(beside, str) else beside:
        if name in configs:
            continue
        configs[name] = agent_config(name)
    return {name: _build(name, config) for name, config in configs.items()}


def main_agent_name(cfg: DictConfig) -> str:
    """The name given as `agent=<name>`; outside a Hydra program, the class's name."""
    if HydraConfig.initialized():
        choice = HydraConfig.get().runtime.choices.get("agent")
        if choice:
            return str(choice)
    return str(cfg.agent.get("_target_", "agent")).rsplit(".", 1)[-1]


def agent_config(name: str) -> DictConfig:
    """The composed settings of another agent, found on the same search path.

    Raises:
        ConfigError: no agent of this name.
    """
    overrides = [f"agent={name}"]
    try:
        if GlobalHydra.instance().is_initialized():
            return _compose(overrides)
        with hydra.initialize_config_module(CONFIG_MODULE, version_base="1.3"):
            return _compose(overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(
            f"beside: the agent '{name}' cannot be composed ({_first_line(error)})",
            "name agents of the group `agent`: reworld, constant_velocity, human, ego_status_mlp",
        ) from error


def _compose(overrides: Sequence[str]) -> DictConfig:
    agent: DictConfig = hydra.compose(CONFIG_NAME, overrides=list(overrides)).agent
    return agent


def _build(name: str, config: DictConfig) -> Any:
    try:
        agent = hydra.utils.instantiate(config)
    except InstantiationException as error:
        if isinstance(error.__cause__, ReWorldError):
            raise error.__cause__ from error
        raise ConfigError(
            f"the agent '{name}' cannot be built: {_first_line(error)}",
            "check the settings under `agent`",
        ) from error
    agent.initialize()
    return agent


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]

"""From configuration to agents that are ready to plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from reworld_agent.core.configs import plain
from reworld_agent.core.errors import ConfigError, ReWorldError, UsageError
from reworld_agent.evaluation.agent_choice import AgentChoice
from reworld_agent.evaluation.compose import CONFIG_MODULE, SCORE


def named_agents(names: Any, but: str = "") -> tuple[AgentChoice, ...]:
    """Agents of the group `agent` by name, each once.

    Args:
        names: one or a list; None = none.
        but: the name of an agent that is there already.

    Raises:
        UsageError: there is no agent of a name.
    """
    listed = [names] if isinstance(names, str) else list(names or ())
    wanted = [str(name) for name in dict.fromkeys(listed) if name != but]
    return tuple(named_agent(name) for name in wanted)


def named_agent(name: str) -> AgentChoice:
    """An agent of the group `agent`, found on the search path of the running Hydra program.

    Raises:
        UsageError: there is no agent of this name.
    """
    overrides = [f"agent={name}"]
    try:
        if GlobalHydra.instance().is_initialized():
            config = _agent_of(overrides)
        else:
            with hydra.initialize_config_module(CONFIG_MODULE, version_base="1.3"):
                config = _agent_of(overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(
            f"beside: the agent '{name}' cannot be composed ({_first_line(error)})",
            "name agents of the group `agent`: reworld, constant_velocity, human, ego_status_mlp",
        ) from error
    return AgentChoice(name, config)


def _agent_of(overrides: Sequence[str]) -> dict[str, Any]:
    cfg: DictConfig = hydra.compose(SCORE, overrides=list(overrides))
    return dict(plain(cfg)["agent"])


def build_agents(choices: Sequence[AgentChoice]) -> dict[str, Any]:
    """Agents by name, their weights loaded.

    Raises:
        ConfigError: an agent cannot be built.
        WeightsError: its weights are missing or belong to another configuration.
    """
    agents = {choice.name: build_agent(choice) for choice in choices}
    for agent in agents.values():
        agent.initialize()
    return agents


def build_agent(choice: AgentChoice) -> Any:
    """An agent without its weights; raises ConfigError where its class cannot be made."""
    try:
        return hydra.utils.instantiate(dict(choice.config))
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, ReWorldError):
            raise cause from error
        # Hydra's own line says where it was called, and not why it failed
        said = " ".join(str(cause).split())
        reason = _first_line(error) if cause is None else f"{type(cause).__name__}: {said}"
        raise ConfigError(
            f"the agent '{choice.name}' cannot be built: {reason}",
            f"check agent.NAME= of {choice.target}",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]

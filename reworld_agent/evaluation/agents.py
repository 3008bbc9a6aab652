"""From configuration to agents that are ready to plan."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from reworld_agent.core.configs import plain
from reworld_agent.core.errors import ConfigError, ReWorldError, UsageError, WeightsError
from reworld_agent.core.settings import did_you_mean
from reworld_agent.core.text import said
from reworld_agent.evaluation.agent_choice import AgentChoice
from reworld_agent.evaluation.compose import CONFIG_MODULE, SCORE
from reworld_agent.scenes.sensors import cameras_of

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint_path"  # an argument of every agent with weights, by the devkit's habit
_CHECK_WEIGHTS = "check that its weights are those of this class and these arguments"


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
            did_you_mean(
                name, _group(), f"name agents of the group `agent`: {', '.join(_group())}"
            ),
        ) from error
    return AgentChoice(name, config)


def _group() -> list[str]:
    """The names of the group `agent`, of every folder on the running program's search path."""
    if not GlobalHydra.instance().is_initialized():
        return ["reworld", "constant_velocity", "human", "ego_status_mlp", "pdm_closed", "habit"]
    return list(GlobalHydra.instance().config_loader().get_group_options("agent"))


def _agent_of(overrides: Sequence[str]) -> dict[str, Any]:
    cfg: DictConfig = hydra.compose(SCORE, overrides=list(overrides))
    return dict(plain(cfg)["agent"])


def build_agents(choices: Sequence[AgentChoice]) -> dict[str, Any]:
    """Agents by name, their weights loaded.

    Raises:
        ConfigError: an agent cannot be built, or lacks what this host asks of it.
        WeightsError: its weights are missing or belong to another configuration.
    """
    agents = {choice.name: build_agent(choice) for choice in choices}
    for choice in choices:
        _initialize(choice, agents[choice.name])
        _check_interface(choice, agents[choice.name])
    return agents


def _check_interface(choice: AgentChoice, agent: Any) -> None:
    """Ask an agent for what is asked of it before the first scene; raises ConfigError."""
    try:
        cameras_of([agent.get_sensor_config()])
        _ = agent.requires_scene, agent.compute_trajectory
    except Exception as error:  # whatever the code of others raises
        raise ConfigError(
            f"the agent '{choice.name}' cannot be asked for its plans: {said(error)}",
            f"{choice.target} needs get_sensor_config(), compute_trajectory() and requires_scene, "
            "which the constructor of AbstractAgent sets",
        ) from error


def _initialize(choice: AgentChoice, agent: Any) -> None:
    """Let an agent load its weights; raises WeightsError where somebody's own code fails."""
    try:
        agent.initialize()
    except ReWorldError:
        raise
    except (Exception, SystemExit) as error:  # whatever the code of others raises
        given = choice.config.get(CHECKPOINT)
        missing = CHECKPOINT in choice.config and given is None
        logger.debug("agent %s", choice.name, exc_info=True)
        raise WeightsError(
            f"the agent '{choice.name}' cannot be initialised"
            f"{f' from {given}' if given else ''}: {said(error)}",
            f"name its weights: agent.{CHECKPOINT}=FILE" if missing else _CHECK_WEIGHTS,
        ) from error


def build_agent(choice: AgentChoice) -> Any:
    """An agent without its weights; raises ConfigError where its class cannot be made."""
    try:
        return hydra.utils.instantiate(dict(choice.config))
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, ReWorldError):
            raise cause from error
        # Hydra's own line says where it was called, and not why it failed
        reason = _first_line(error) if cause is None else said(cause)
        raise ConfigError(
            f"the agent '{choice.name}' cannot be built: {reason}", _hint_of(choice, cause)
        ) from error


def _hint_of(choice: AgentChoice, cause: BaseException | None) -> str:
    """What may help where a class cannot be made."""
    while cause is not None and not isinstance(cause, ModuleNotFoundError):
        cause = cause.__cause__
    missing = (cause.name if cause else None) or ""
    if missing and not f"{choice.target}.".startswith(f"{missing}."):
        return f"install {missing.partition('.')[0]}, which the code of {choice.target} imports"
    return f"check agent.NAME= of {choice.target}"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]

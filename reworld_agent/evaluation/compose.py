"""Hydra configurations of our commands, composed without running one."""

from __future__ import annotations

from collections.abc import Sequence

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from reworld_agent.core.errors import ConfigError

CONFIG_MODULE = "navsim_configs"
SCORE, TRAIN = "reworld_run_pdm_score", "reworld_run_training"
MINE, FIT = "reworld_mine_hard_negatives", "reworld_fit_statistics"


def compose(overrides: Sequence[str], name: str = SCORE) -> DictConfig:
    """The configuration that a command would have.

    Args:
        overrides: its arguments, in Hydra's grammar.
        name: of the configuration: SCORE, TRAIN, MINE, FIT.

    Raises:
        ConfigError: Hydra cannot compose it.
    """
    try:
        with hydra.initialize_config_module(CONFIG_MODULE, version_base="1.3"):
            return hydra.compose(name, overrides=list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
        raise ConfigError(
            f"cannot compose {' '.join(overrides)}: {lines[0]}",
            "see reworld score --help; splits of the benchmark need NAVSIM_DEVKIT_ROOT",
        ) from error

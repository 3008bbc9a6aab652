"""The whole numbers of a training's config, which are read in many places, checked in one."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from reworld_agent.core.errors import ConfigError

NUMBERS: dict[str, tuple[int, int | None, tuple[int | None, ...]]] = {
    # least, most, what else it may be: null, or Lightning's -1 for "no limit"
    "seed": (0, 2**32 - 1, ()),
    "checkpoint_steps": (1, None, (None,)),
    "trainer.params.max_steps": (1, None, (None, -1)),
    "trainer.params.max_epochs": (1, None, (None, -1)),
    "trainer.params.num_nodes": (1, None, (None,)),
    "dataloader.params.batch_size": (1, None, (None,)),
    "dataloader.params.num_workers": (0, None, (None,)),
}


def check_numbers(cfg: DictConfig) -> None:
    """Raise ConfigError for the first of NUMBERS that is no whole number, or out of its range."""
    for key, (least, most, also) in NUMBERS.items():
        value: Any = OmegaConf.select(cfg, key)
        if value in also and not isinstance(value, bool):
            continue
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < least or (most is not None and value > most):
            allowed = f"from {least} on" if most is None else f"from {least} to {most}"
            others = "".join(f", or {'null' if one is None else one}" for one in also)
            message = f"{key}={value} is no whole number {allowed}{others}"
            raise ConfigError(message, f"change {key}=, or leave it out")

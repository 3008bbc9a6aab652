"""Composed configurations as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from reworld_agent.core.errors import UsageError
from reworld_agent.core.sections import from_mapping
from reworld_agent.core.settings import Settings


class UnresolvedError(UsageError):
    """A value of a configuration refers to one that is not there, or not yet."""


def plain(cfg: DictConfig) -> dict[str, Any]:
    """A configuration's own values, interpolations resolved; Hydra's node is left out.

    Raises:
        UnresolvedError: an interpolation leads nowhere.
    """
    own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    try:
        values: Any = OmegaConf.to_container(own, resolve=True)
    except InterpolationResolutionError as error:
        lines = str(error).strip().splitlines()
        raise UnresolvedError(f"{error.full_key}: {lines[0]}", "give it a value") from error
    return dict(values)


class ComposedSettings(Settings):
    """Settings of a command that Hydra composes, whose values are taken as they are."""

    @classmethod
    def from_config(cls, cfg: DictConfig, choices: Mapping[str, str] | None = None) -> Self:
        """From the command's configuration; raises UsageError.

        Args:
            cfg: composed.
            choices: names of the files that were chosen for its groups; of no use here.
        """
        return from_mapping(cls, plain(cfg), strangers=True)

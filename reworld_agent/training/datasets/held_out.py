"""What a run is validated on: scenes or clips that it does not learn from.

`validation:` in the config says how many, and where they are from.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from torch.utils.data import Sampler

from reworld_agent.config.fields import build_dataclass, require
from reworld_agent.core.errors import ConfigError
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.splits import resolve_split

logger = logging.getLogger(__name__)

COMPANIONS = {"town_train": "town_val"}  # what the embedded town is validated on


@dataclass(frozen=True)
class ValidationSettings:
    """The block `validation` of a training config.

    Attributes:
        every: optimiser steps from one validation to the next, about: the run is cut into equal
            parts; 0 = none.
        samples: scenes or clips at most, spread evenly over the split.
        split: data split of the scenes, or split of an index of clips; None = `town_val` beside
            `town_train`, `val` of an index that has it, and none for other data.
        hold_out: share of the training scenes' logs that is kept from training and validated on.

    Raises:
        ConfigError: a value that cannot be.
    """

    every: int = 500
    samples: int = 256
    split: str | None = None
    hold_out: float = 0.0

    def __post_init__(self) -> None:
        require(self.every >= 0, f"validation.every={self.every}", "0 does without")
        require(self.samples > 0, f"validation.samples={self.samples}", "use 1 or more")
        share = f"validation.hold_out={self.hold_out:g}"
        require(0 <= self.hold_out < 1, share, "it is a share of the logs, such as 0.05")
        if self.split and self.hold_out:
            message = f"validation.split={self.split} together with {share}"
            raise ConfigError(message, "scenes of another split need no hold_out=: leave one out")

    @classmethod
    def of(cls, cfg: DictConfig) -> ValidationSettings:
        """Of a run's config, which may have no such block; ConfigError for unknown words."""
        given: Any = OmegaConf.to_container(cfg.get("validation") or OmegaConf.create({}))
        return build_dataclass(cls, given, "validation")

    def clips_split(
        self, present: Iterable[str], index: object, automatic: bool = True
    ) -> str | None:
        """The split of an index that a run is validated on; None = none.

        Args:
            present: splits that the index has.
            index: its name, for the warning.
            automatic: take `val` where nothing is said.
        """
        share = f"validation.hold_out={self.hold_out:g} on clips"
        require(not self.hold_out, share, "an index has splits: use validation.split=val")
        if not self.every or self.split:
            return self.split if self.every else None
        if automatic and "val" in set(present):
            return "val"
        logger.warning("no validation: name a split of %s with validation.split=", index)
        return None


class HeldOutSampler(Sampler[int]):
    """A process's share of `count` samples, spread evenly over a data set.

    Sample i of all goes to process i mod `world`, as in training; those that cannot be shared out
    evenly are left out.

    Args:
        length: of the data set.
        count: samples wanted.
        rank, world: of the process.
        phase: gives the phase (from 0) of a curriculum for each of which the data set has items of
            its own, see `SampleStream`; asked anew in every pass.
    """

    def __init__(
        self,
        length: int,
        count: int,
        rank: int = 0,
        world: int = 1,
        phase: Callable[[], int] | None = None,
    ) -> None:
        self.length, self.phase = length, phase or (lambda: 0)
        numbers = spread(length, count)
        self.numbers = numbers[: len(numbers) // world * world][rank::world]

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[int]:
        first = self.phase() * self.length
        return iter([first + number for number in self.numbers])


def spread(length: int, count: int) -> list[int]:
    """Up to `count` numbers below `length`, at even distances."""
    return [int(number) for number in np.linspace(0, length, min(length, count), endpoint=False)]


def held_out_logs(logs: Sequence[str], share: float) -> set[str]:
    """Names of the logs that are kept from training, by a hash of the name.

    Raises:
        ConfigError: no log would be left to train on.
    """
    names = sorted(set(logs), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    count = max(1, round(share * len(names)))
    if count >= len(names):
        message = f"validation.hold_out={share:g} takes {count} of {len(names)} logs"
        raise ConfigError(message, "name a split of its own with validation.split=")
    return set(names[:count])


def held_out_scenes(
    settings: ValidationSettings, trained: str, training_filter: SceneFilter
) -> SceneLoader | None:
    """A loader of the scenes of `settings.split`, or of the split that belongs to `trained`.

    Args:
        settings: of the run; with `hold_out` the scenes are the training split's own.
        trained: data split that is learned from.
        training_filter: its filter, whose lengths and stride apply; its choice of scenes does not.
    """
    name = settings.split or COMPANIONS.get(trained)
    if not settings.every or settings.hold_out:
        return None
    if name is None:
        logger.warning(
            "no validation beside %s: name scenes with validation.split=, or keep some of its logs "
            "from training with validation.hold_out=0.05",
            trained,
        )
        return None
    if name == trained:
        logger.warning("validation.split=%s: these scenes are also learned from", name)
    roots = resolve_split(name)
    free = dataclasses.replace(training_filter, max_scenes=None, log_names=None, tokens=None)
    tokens = roots.loader(free).tokens
    chosen = [tokens[number] for number in spread(len(tokens), settings.samples)]
    return roots.loader(dataclasses.replace(free, tokens=chosen))

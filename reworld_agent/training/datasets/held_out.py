"""What a run is validated on: scenes or clips that it does not learn from.

`validation:` in the config says how many, and where they are from.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from reworld_agent.config import FRONT
from reworld_agent.core.errors import ConfigError
from reworld_agent.scenes.camera_names import in_logs
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.roots import beside, companion
from reworld_agent.scenes.sensors import SensorConfig, cameras_of
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training.settings import ValidationSettings

logger = logging.getLogger(__name__)


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


def clips_split(
    settings: ValidationSettings, present: Iterable[str], index: object, automatic: bool = True
) -> str | None:
    """The split of an index that a run is validated on; None = none.

    Args:
        settings: of the run.
        present: splits that the index has.
        index: its name, for the warning.
        automatic: take `val` where nothing is said.
    """
    if not settings.every or settings.split:
        return settings.split if settings.every else None
    if automatic and "val" in set(present):
        return "val"
    logger.warning("no validation: name a split of %s with validation.split=", index)
    return None


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


def validation_split(settings: ValidationSettings, trained: str) -> str:
    """The data split whose scenes a run is validated on, which has scenes to be validated on.

    Args:
        settings: of the run; with `hold_out` it is the training split.
        trained: data split that is learned from.
    """
    own = trained if settings.hold_out else None
    return own or beside(settings.split, trained, "val", "validation.split")


def held_out_scenes(
    settings: ValidationSettings,
    trained: str,
    training_filter: SceneFilter,
    sensors: SensorConfig | None = None,
    cameras: Sequence[str] = FRONT,
) -> SceneLoader | None:
    """A loader of the scenes of `settings.split`, or of the split that belongs to `trained`.

    Args:
        settings: of the run; with `hold_out` the scenes are the training split's own.
        trained: data split that is learned from.
        training_filter: its filter, whose lengths and stride apply; its choice of scenes does not.
        sensors: that the loader reads; None = none.
        cameras: that are read beside the loader.
    """
    name = settings.split or companion(trained, "val")
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
    return spread_scenes(name, settings.samples, training_filter, sensors, cameras)


def spread_scenes(
    split: str,
    count: int,
    window: SceneFilter,
    sensors: SensorConfig | None = None,
    cameras: Sequence[str] = FRONT,
) -> SceneLoader:
    """A loader of up to `count` scenes of a split, spread evenly over all of it.

    Args:
        split: data split; an embedded one is made where it is not there.
        count: scenes at most.
        window: whose lengths and stride apply; its choice of scenes does not.
        sensors: that the loader reads; None = none.
        cameras: that are read beside the loader.
    """
    roots = resolve_split(split, cameras_of([sensors]) if sensors else in_logs(cameras))
    free = dataclasses.replace(window, max_scenes=None, log_names=None, tokens=None)
    tokens = roots.loader(free).tokens
    chosen = [tokens[number] for number in spread(len(tokens), count)]
    return roots.loader(dataclasses.replace(free, tokens=tuple(chosen)), sensors)

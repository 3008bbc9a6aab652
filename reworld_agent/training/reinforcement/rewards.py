"""What a plan is worth: protocols, columns of them, or a mixture, by `pdm.Reward`.

Shapes: B scenes, N plans per scene, L waypoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.vocabulary import BOTH, PROTOCOL_NAMES
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.metrics.definition.protocol import SCORE
from reworld_agent.pdm.metrics.registry import protocol
from reworld_agent.pdm.reward import Reward
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training.policy_settings import PolicySettings


def split_caches(data_split: str) -> SceneCaches:
    """The scene caches of a split, which are built as they are asked for."""
    roots = resolve_split(data_split)
    return SceneCaches(roots.data_root, roots.maps_root, roots.data_split)


def held_out_reward(settings: PolicySettings, caches: object) -> PlanReward:
    """The reward as validation looks at it: beside both protocols, in this process."""
    return PlanReward(replace(settings, workers=1), caches, whole=True)


class PlanReward:
    """Rewards of plans in scenes of one split.

    Args:
        settings: `reward` and `without` say what counts, `workers` how many processes score.
        caches: see `pdm.Reward`.
        whole: score both protocols, whatever the reward is of.

    Raises:
        ConfigError: a reward, or a metric that is left out, that no protocol has.
    """

    def __init__(self, settings: PolicySettings, caches: object, whole: bool = False) -> None:
        self.factors = dict(settings.reward)
        self.without = settings.without
        self._owners = {name: _owner(name) for name in self.factors}
        _check_left_out(settings.without, [n for n in self.factors if n in PROTOCOL_NAMES])
        needed = PROTOCOL_NAMES if whole else sorted(set(self._owners.values()))
        self._single = needed[0] if len(needed) == 1 else None
        self._reward = Reward(
            *(caches, self._single or BOTH, settings.workers),
            columns=[self._column(owner, n) for owner in needed for n in protocol(owner).columns],
        )

    def __call__(self, tokens: Sequence[str], poses: Tensor) -> Tensor:
        """Rewards float64 [B, N], on the CPU; NaN where a plan has none, which `Reward` names.

        Raises:
            DataError: a scene has no cache, or one that has changed.
        """
        return torch.from_numpy(self.of_columns(self.columns(tokens, poses)))

    def columns(self, tokens: Sequence[str], poses: Tensor) -> dict[str, NDArray[np.float64]]:
        """Columns [B, N] of the protocols that are scored; named `<protocol>_<column>` of two."""
        found: dict[str, NDArray[np.float64]] = self._reward(tokens, poses.numpy(force=True))
        return found

    def of_columns(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """The reward of plans whose `columns` are known."""
        total: Any = 0.0
        for name, factor in self.factors.items():
            total = total + factor * self._value(name, columns)
        found: NDArray[np.float64] = np.asarray(total, dtype=np.float64)
        return found

    def close(self) -> None:
        """End the worker processes."""
        self._reward.close()

    def _value(self, name: str, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        owner = self._owners[name]
        if name != owner or not self.without:
            found: NDArray[np.float64] = columns[
                self._column(owner, SCORE if name == owner else name)
            ]
            return found
        rules = protocol(owner)
        score = columns[self._column(owner, SCORE)]
        parts = {one: columns[self._column(owner, one)] for one in rules.required}
        parts |= {one: np.ones_like(score) for one in self.without if one in parts}
        return np.where(np.isfinite(score), rules.score(parts), np.nan)

    def _column(self, owner: str, name: str) -> str:
        return name if self._single else f"{owner}_{name}"


def _owner(name: str) -> str:
    """The protocol that a reward is of; ConfigError where none has it."""
    if name in PROTOCOL_NAMES:
        return name
    for one in PROTOCOL_NAMES:
        if name in protocol(one).of_one_frame:
            return one
    known = dict.fromkeys(m for one in PROTOCOL_NAMES for m in protocol(one).of_one_frame)
    raise ConfigError(
        f"policy.reward.{name} is unknown", f"use {', '.join((*PROTOCOL_NAMES, *known))}"
    )


def _check_left_out(names: Sequence[str], scores: Sequence[str]) -> None:
    """Raise ConfigError for a metric to leave out that no score of the reward has."""
    known = dict.fromkeys(metric for one in scores for metric in protocol(one).required)
    for name in names:
        if name not in known:
            hint = f"use {', '.join(known)}" if known else "they are left out of a protocol's score"
            raise ConfigError(f"policy.without={name} is not in the reward", hint)

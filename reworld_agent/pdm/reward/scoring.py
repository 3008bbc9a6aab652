"""Rewards of some scenes in one process: rows of columns, and what could not be scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.api import score
from reworld_agent.pdm.reward.scenes import Scenes, Source


@dataclass(frozen=True)
class Rules:
    """How every scene of a `Reward` is scored; the columns that are wanted, or all with None."""

    protocol: str
    columns: tuple[str, ...] | None
    explain: bool
    keep: int


@dataclass(frozen=True)
class SceneScores:
    """Columns [N] of one scene, NaN or "" where a candidate has no score, and why it has none."""

    columns: dict[str, NDArray[Any]]
    reasons: dict[int, str]


class Scorer:
    """Scores scenes of a source in this process, and keeps them.

    Args:
        source: of the scenes.
        rules: how they are scored.
    """

    def __init__(self, source: Source, rules: Rules) -> None:
        self._scenes, self._rules = Scenes(source, rules.keep), rules

    def score(
        self, tokens: Sequence[str], plans: Sequence[NDArray[np.float64]], interval_s: float | None
    ) -> list[SceneScores]:
        """Scores of plans [N, L, 3] of each scene, in order.

        Raises:
            DataError: a cache is missing or damaged, or has changed since it was first read.
            ReWorldError: this process would score wrongly, as the golden scene says.
        """
        return [self._one(token, own, interval_s) for token, own in zip(tokens, plans, strict=True)]

    def _one(self, token: str, plans: NDArray[np.float64], interval_s: float | None) -> SceneScores:
        finite = np.asarray(np.isfinite(plans).all(axis=(1, 2)))
        reasons = dict.fromkeys(np.flatnonzero(~finite).tolist(), "poses are not finite")
        if not finite.any():
            return SceneScores({}, reasons)
        rules = self._rules
        try:
            found = score(
                self._scenes[token],
                plans if finite.all() else plans[finite],
                rules.protocol,
                rules.explain,
                interval_s=interval_s,
            )
        except SceneError as error:  # of this scene alone; a file that is damaged ends the call
            why = error.message.removeprefix(f"scene {token}: ")
            return SceneScores({}, dict.fromkeys(range(len(plans)), why))
        wanted = found if rules.columns is None else {name: found[name] for name in rules.columns}
        return SceneScores({name: _spread(one, finite) for name, one in wanted.items()}, reasons)


def _spread(values: NDArray[Any], where: NDArray[np.bool_]) -> NDArray[Any]:
    """Values at the candidates that have them, NaN or "" at the others."""
    if where.all():
        return values
    if values.dtype.kind not in "biuf":
        spread: NDArray[Any] = np.full(len(where), "", values.dtype)
    else:
        spread = np.full(len(where), np.nan)
    spread[where] = values
    return spread

"""`Reward`: the scorer as reinforcement learning wants it, over batches of scenes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import ConfigError
from reworld_agent.pdm.metrics.definition.protocol import SCORE
from reworld_agent.pdm.metrics.registry import (
    BOTH,
    PROTOCOL_NAMES,
    check_protocol,
    columns,
    score_columns,
)
from reworld_agent.pdm.poses import interval_of
from reworld_agent.pdm.reward.arrays import like, plans_array
from reworld_agent.pdm.reward.processes import HereWorker, ProcessWorker, RayWorker, Worker
from reworld_agent.pdm.reward.scenes import require_all, source_of
from reworld_agent.pdm.reward.scoring import Rules, SceneScores
from reworld_agent.pdm.reward.sharing import Sharing

logger = logging.getLogger(__name__)

WORKER_KINDS = ("processes", "ray")
_KEPT = 4096  # scenes kept ready in each process; some 3 GB of scenes like the town's
_ALL = "all"
_PROGRESS = ("progress_m", "pdm_closed_progress_m")


@dataclass(frozen=True)
class Fault:
    """A candidate without a reward: its scene, its number in the scene, and why."""

    token: str
    candidate: int
    reason: str


class Reward:
    """The exact score of plans, batch after batch; scenes stay in memory between calls.

    Every candidate is scored alone beside PDM-Closed, as the devkit does, to its digits
    (`pdm.score`). With `workers` above 1 the scenes of a batch are shared among processes, which
    are started at the first call: a script then needs `if __name__ == "__main__":`.

    Args:
        caches: where the scenes are: a folder of `<token>.npz`, `SceneCaches` of a split (which
            builds what it lacks), caches or their files, or a mapping of tokens to these.
        protocol: `pdms_v1`, `epdms_v2`, or `both` from one simulation.
        workers: processes; 1 scores in this one.
        columns: what a call returns: names of the protocol's columns, or `("all",)`. `score` of
            `both` is the two scores.
        explain: also the failure records (`<metric>_failure_time_s` …), as columns.
        worker: `processes`, or `ray`: actors on the cluster that runs here or is started.
        keep: scenes that each process keeps ready.

    Attributes:
        faults: candidates of the latest call that have no reward, and why.
        unscored: how many candidates had none, over all calls.

    Raises:
        ConfigError: unknown protocol, column or worker, or a number out of range.
        DataError: there are no caches where `caches` says.
    """

    def __init__(
        self,
        caches: object,
        protocol: str = "pdms_v1",
        workers: int = 1,
        columns: Sequence[str] = (SCORE,),
        explain: bool = False,
        worker: str = "processes",
        keep: int = _KEPT,
    ) -> None:
        check_protocol(protocol)
        for name, number in (("workers", workers), ("keep", keep)):
            if not isinstance(number, int) or number < 1:
                raise ConfigError(f"{name}={number!r} must be a whole number of at least 1")
        if worker not in WORKER_KINDS:
            raise ConfigError(f"worker={worker} is unknown", f"use {' | '.join(WORKER_KINDS)}")
        self.columns = _columns(protocol, columns)
        self.faults: list[Fault] = []
        self.unscored = 0
        self._source = source_of(caches)
        wanted = None if explain else self.columns
        self._rules = Rules(protocol, wanted, explain, keep)
        self._workers: list[Worker] = self._made(worker, workers)
        self._sharing = Sharing(workers)

    def _made(self, worker: str, workers: int) -> list[Worker]:
        if worker == "ray":
            return [RayWorker(self._source, self._rules, workers) for _ in range(workers)]
        if workers == 1:
            return [HereWorker(self._source, self._rules)]
        return [ProcessWorker(self._source, self._rules) for _ in range(workers)]

    def __call__(self, tokens: Sequence[str], poses: Any, interval_s: float | None = None) -> Any:
        """Rewards of N plans in each of B scenes.

        Args:
            tokens: of the B scenes; one may stand there more than once.
            poses: [B, N, L, 3] array or torch tensor: x, y [m] and heading [rad] of the rear axle
                in the ego frame at t0.
            interval_s: seconds between two poses; None: 0.5 of 8 poses, 0.1 of 40.

        Returns:
            Float64 [B, N] of what `poses` is, on its device; a dict of such by column where
            `columns` are several, or the failure records are asked for (text as arrays of str).
            NaN where a candidate has no score: see `faults`.

        Raises:
            DataError: a token has no cache, a cache has changed since it was first read, or the
                plans are not of one shape.
            ReWorldError: a worker was killed; or this process would score wrongly.
        """
        names = [str(token) for token in tokens]
        plans = plans_array(poses, len(names))
        interval_of(plans.shape[2], interval_s)
        require_all(self._source, dict.fromkeys(names))
        found = self._scored(names, plans, interval_s)
        self._note(names, found)
        result = {
            name: like(_stacked([one.columns.get(name) for one in found], plans.shape[1]), poses)
            for name in self._named(found)
        }
        one_column = len(self.columns) == 1 and not self._rules.explain
        return result[self.columns[0]] if one_column else result

    def close(self) -> None:
        """End the worker processes; a later call starts them again, but not Ray's."""
        for worker in self._workers:
            worker.close()

    def __enter__(self) -> Reward:
        """Itself; its processes end with the `with` block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the worker processes."""
        self.close()

    def _scored(
        self, tokens: list[str], plans: NDArray[np.float64], interval_s: float | None
    ) -> list[SceneScores]:
        shares = self._sharing.shares(tokens)
        begun = [
            (
                worker,
                share,
                worker.submit([tokens[i] for i in share], [plans[i] for i in share], interval_s),
            )
            for worker, share in zip(self._workers, shares, strict=True)
            if share
        ]
        placed: dict[int, SceneScores] = {}
        for worker, share, pending in begun:
            placed.update(zip(share, worker.result(pending), strict=True))
        return [placed[place] for place in range(len(tokens))]

    def _note(self, tokens: list[str], found: list[SceneScores]) -> None:
        self.faults = [
            Fault(token, candidate, reason)
            for token, one in zip(tokens, found, strict=True)
            for candidate, reason in sorted(one.reasons.items())
        ]
        if self.faults and not self.unscored:
            first = self.faults[0]
            logger.warning(
                "%d candidates have no reward (NaN); the first: scene %s, candidate %d: %s",
                *(len(self.faults), first.token, first.candidate, first.reason),
            )
        self.unscored += len(self.faults)

    def _named(self, found: list[SceneScores]) -> tuple[str, ...]:
        """Columns of the result: those asked for, then the failure records."""
        if not self._rules.explain:
            return self.columns
        there = dict.fromkeys(name for one in found for name in one.columns)
        asked = dict.fromkeys(self.columns)
        official = set(_known(self._rules.protocol))
        return tuple(asked | {name: None for name in there if name not in official})


def _known(protocol: str) -> tuple[str, ...]:
    """Columns of numbers that a score has, whatever fails."""
    prefixes = [f"{one}_" for one in PROTOCOL_NAMES] if protocol == BOTH else [""]
    return (*columns(protocol), *(prefix + name for prefix in prefixes for name in _PROGRESS))


def _columns(protocol: str, asked: Sequence[str]) -> tuple[str, ...]:
    """Names of columns, `all` and the `score` of both protocols written out; ConfigError."""
    known = _known(protocol)
    if isinstance(asked, str):
        asked = (asked,)
    if tuple(asked) == (_ALL,):
        return known
    names = [
        one
        for name in asked
        for one in (score_columns(protocol) if name == SCORE and protocol == BOTH else (name,))
    ]
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{protocol} has no column {name}", f"use some of {', '.join(known)}, or {_ALL}"
            )
    if not names:
        raise ConfigError("no columns were asked for", f"use {SCORE}, or {_ALL}")
    return tuple(dict.fromkeys(names))


def _stacked(columns: list[NDArray[Any] | None], count: int) -> NDArray[Any]:
    """A column of each scene as [B, N]; NaN or "" for a scene that has none."""
    kinds = [column.dtype for column in columns if column is not None]
    is_text = bool(kinds) and kinds[0].kind not in "biuf"
    empty = np.full(count, "" if is_text else np.nan)
    stacked = np.stack([empty if column is None else column for column in columns])
    return stacked if is_text else stacked.astype(np.float64)

"""Processes, or Ray actors, that each keep the scenes which they score."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import ReWorldError
from reworld_agent.core.guards.parents import stop_workers
from reworld_agent.core.workers import one_thread_each, ray_cluster, start, start_worker, starts
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.pdm.reward.scenes import Source
from reworld_agent.pdm.reward.scoring import Rules, SceneScores, Scorer

_Plans = Sequence[NDArray[np.float64]]


class Worker(Protocol):
    """Something that scores scenes while the caller goes on."""

    def submit(self, tokens: Sequence[str], plans: _Plans, interval_s: float | None) -> Any:
        """Begin to score; what it gives is for `result`."""

    def result(self, pending: Any) -> list[SceneScores]:
        """Wait for what was begun; raises what `Scorer.score` does."""

    def close(self) -> None:
        """End it."""


class HereWorker:
    """Scores in this process, at once."""

    def __init__(self, source: Source, rules: Rules) -> None:
        self._scorer = Scorer(source, rules)

    def submit(
        self, tokens: Sequence[str], plans: _Plans, interval_s: float | None
    ) -> list[SceneScores]:
        """See `Worker`."""
        return self._scorer.score(tokens, plans, interval_s)

    def result(self, pending: list[SceneScores]) -> list[SceneScores]:
        """See `Worker`."""
        return pending

    def close(self) -> None:
        """Nothing to end."""


class ProcessWorker:
    """One process, started at the first scene, again where it was killed; ends with its parent."""

    def __init__(self, source: Source, rules: Rules) -> None:
        self._make = (source, rules)
        self._pool: ProcessPoolExecutor | None = None

    def submit(
        self, tokens: Sequence[str], plans: _Plans, interval_s: float | None
    ) -> Future[list[SceneScores]]:
        """See `Worker`."""
        if self._pool is None:
            ensure_compiled()  # here, once: each process would compile for itself
            # Spawned, not forked: the parent may hold threads of torch, and a fork can hang.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, _start, (starts(), *self._make))
        with one_thread_each():  # the process starts with its first task
            return self._pool.submit(_score, tokens, plans, interval_s)

    def result(self, pending: Future[list[SceneScores]]) -> list[SceneScores]:
        """See `Worker`."""
        try:
            return pending.result()
        except BrokenProcessPool as error:
            self.close()
            raise ReWorldError(
                "a process of rewards was killed, most often for want of memory",
                "call again with fewer workers, or a smaller keep=; nothing was lost",
            ) from error

    def close(self) -> None:
        """End the process now."""
        if self._pool is not None:
            stop_workers(self._pool)
            self._pool = None


_SCORER: list[Scorer] = []  # of this process, which belongs to one ProcessWorker


def _start(calls: Any, source: Source, rules: Rules) -> None:
    start_worker(calls)
    _SCORER[:] = [Scorer(source, rules)]


def _score(tokens: Sequence[str], plans: _Plans, interval_s: float | None) -> list[SceneScores]:
    return _SCORER[0].score(tokens, plans, interval_s)


class RayWorker:
    """One Ray actor on some node of the cluster, which sees the caches under the same path."""

    def __init__(self, source: Source, rules: Rules, workers: int) -> None:
        self._ray = ray_cluster(workers)
        calls = starts()

        class Actor(Scorer):
            def __init__(self) -> None:
                start(calls)
                super().__init__(source, rules)

        self._actor = self._ray.remote(num_cpus=1, max_restarts=-1)(Actor).remote()

    def submit(self, tokens: Sequence[str], plans: _Plans, interval_s: float | None) -> Any:
        """See `Worker`."""
        return self._actor.score.remote(list(tokens), list(plans), interval_s)

    def result(self, pending: Any) -> list[SceneScores]:
        """See `Worker`."""
        try:
            found: list[SceneScores] = self._ray.get(pending)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, ReWorldError):
                raise error.cause from error
            raise
        except self._ray.exceptions.RayError as error:
            raise ReWorldError(
                f"Ray lost an actor of rewards ({str(error).strip()[:200]})",
                "see that its node has this package and the caches, then call again",
            ) from error
        return found

    def close(self) -> None:
        """End the actor."""
        if self._ray.is_initialized():
            self._ray.kill(self._actor)

"""The same function over many tasks: here, in a pool of processes, or on a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from reworld_agent.core.errors import ConfigError, ReWorldError
from reworld_agent.core.guards.clusters import ending_with_this_process
from reworld_agent.core.guards.parents import start_child, stop_workers

SEQUENTIAL = "sequential"
WORKERS = (SEQUENTIAL, "processes", "ray")
_THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"),
)
_ROOT = Path(__file__).parents[2]
_RETRIES = 3
_AHEAD = 4  # tasks for each process that wait or run; the others are not yet made
Task = TypeVar("Task")
Result = TypeVar("Result")
Start = tuple[Callable[..., object], tuple[Any, ...]]
_STARTS: list[Start] = []


def at_start(function: Callable[..., object], *arguments: Any) -> None:
    """Have every worker process that is started from now on call a function before its tasks.

    Args:
        function: of a module, so that other processes find it.
        arguments: picklable.
    """
    _STARTS.append((function, arguments))


def starts() -> tuple[Start, ...]:
    """What worker processes call before their tasks, for `start`."""
    return tuple(_STARTS)


def start_worker(calls: tuple[Start, ...]) -> None:
    """Begin a worker process: see `parents.start_child`, then `start`."""
    start_child()
    start(calls)


def start(calls: tuple[Start, ...]) -> None:
    """Do in this worker process what its parent asked for with `at_start`."""
    for function, arguments in calls:
        function(*arguments)


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    worker: str = "processes",
    workers: int | None = None,
) -> Iterator[Result]:
    """Results as they come, in any order.

    Args:
        function: of a module, so that other processes find it.
        tasks: its arguments; taken from an iterator only as workers come free.
        worker: `sequential`, `processes` (one BLAS thread each) or `ray`.
        workers: how many; None takes one for each core.

    Raises:
        ConfigError: unknown `worker`, or Ray is not installed.
        ReWorldError: a process was killed, most often for want of memory.
    """
    if worker not in WORKERS:
        raise ConfigError(f"worker={worker} is unknown", f"use worker={' | '.join(WORKERS)}")
    count = workers or cores()
    if isinstance(tasks, Sized):
        count = min(count, len(tasks))
    if worker == "ray":
        yield from _run_ray(function, tasks, workers)
    elif worker == SEQUENTIAL or count <= 1:
        yield from map(function, tasks)
    else:
        yield from _run_processes(function, tasks, count)


def run_in_order(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    worker: str = "processes",
    workers: int | None = None,
) -> Iterator[Result]:
    """Results in the order of their tasks, whoever is done first; see `run_tasks`."""
    early: dict[int, Result] = {}
    due = 0
    numbered = list(enumerate(tasks))
    for number, result in run_tasks(partial(_numbered, function), numbered, worker, workers):
        early[number] = result
        while due in early:
            yield early.pop(due)
            due += 1


def _numbered(function: Callable[[Task], Result], task: tuple[int, Task]) -> tuple[int, Result]:
    return task[0], function(task[1])


def _run_processes(
    function: Callable[[Task], Result], tasks: Iterable[Task], count: int
) -> Iterator[Result]:
    # Spawned, not forked: the parent may hold threads of torch, and a fork of those can hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, initializer=start_worker, initargs=(starts(),))
    with one_thread_each(), pool:
        try:
            running: set[Future[Result]] = set()
            for task in tasks:
                running.add(pool.submit(function, task))
                if len(running) >= _AHEAD * count:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        except BrokenProcessPool as error:
            raise ReWorldError(
                "a worker process was killed, most often for want of memory",
                "start again with the same output_dir and workers=1; finished rows are kept",
            ) from error
        except BaseException:
            stop_workers(pool)
            raise


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes started meanwhile use one thread of BLAS, OpenMP and numba."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _run_ray(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int | None
) -> Iterator[Result]:
    ray = ray_cluster(workers)
    calls = starts()

    def call(task: Task) -> Result:
        start(calls)
        return function(task)

    # a task whose node or process is lost is done again elsewhere
    remote = ray.remote(num_cpus=1, max_retries=_RETRIES)(call)
    # a cluster that others have started may be larger than what is asked for
    ahead = workers or _AHEAD * int(ray.cluster_resources().get("CPU", 1))
    running: list[Any] = []
    for task in tasks:
        running.append(remote.remote(task))
        if len(running) >= ahead:
            done, running = ray.wait(running, num_returns=1)
            yield _fetched(ray, done[0])
    while running:
        done, running = ray.wait(running, num_returns=1)
        yield _fetched(ray, done[0])


def ray_cluster(workers: int | None) -> Any:
    """Ray itself, connected to the cluster that runs here, or to one that is started for it.

    Args:
        workers: processor cores of a cluster that is started; None takes all.

    Raises:
        ConfigError: Ray is not installed, or the cluster that is named does not answer.
    """
    try:
        import ray  # noqa: PLC0415 - extra `ray`
    except ImportError as error:
        raise ConfigError(
            "worker=ray, but Ray is not installed",
            "pip install 'reworld-agent[ray]', or use worker=processes",
        ) from error
    if not ray.is_initialized():
        with _same_sigterm():
            _join_cluster(ray, workers)
    return ray


@contextmanager
def _same_sigterm() -> Iterator[None]:
    """What SIGTERM does stays: Ray puts handlers of its own, one of which aborts."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _join_cluster(ray: Any, workers: int | None) -> None:
    """Join the cluster that runs here or that RAY_ADDRESS names; start one where none does."""
    here = os.pathsep.join(path for path in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if path)
    environment = {"env_vars": {**dict.fromkeys(_THREAD_VARIABLES, "1"), "PYTHONPATH": here}}
    options: dict[str, Any] = {"log_to_driver": False, "runtime_env": environment}
    try:
        ray.init(address="auto", **options)
    except ConnectionError as error:
        named = os.environ.get("RAY_ADDRESS")
        if named and named != "local":
            raise ConfigError(
                f"RAY_ADDRESS={named}: no Ray cluster answers there",
                "start it, or unset RAY_ADDRESS: one is started on this machine",
            ) from error
        with ending_with_this_process():
            ray.init(address="local", num_cpus=workers, **options)


def _fetched(ray: Any, reference: Any) -> Any:
    """What a task gave; ReWorldError where Ray lost it for good."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError:
        raise  # of the task itself, as it would be here
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ReWorldError(
            f"Ray lost a task {_RETRIES + 1} times ({reason[0][:200]})",
            "see that its nodes have this package, the data and memory enough, then start again "
            "with the same output_dir; finished rows are kept",
        ) from error


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

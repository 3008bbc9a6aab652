"""Processes that end with the one that started them, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait

_PARENT = "REWORLD_PARENT_PID"
_EVERY_S = 0.5


def end_with_parent(parent: int | None = None) -> None:
    """End this process at once when its parent has ended, from now on.

    A parent that is killed cannot tell its children, which would go on, and hold their memory.

    Args:
        parent: process id of the parent of a child that `multiprocessing` did not start; None
            for one that it did.
    """
    if parent is not None:
        _watch(_ask_for_parent, parent)
    elif multiprocessing.parent_process() is not None:
        _watch(_wait_for_end)


def _watch(function: Callable[..., None], *arguments: int) -> None:
    threading.Thread(target=function, args=arguments, name="parent", daemon=True).start()


def start_child() -> None:
    """Begin a worker process: it ends with its parent, which alone answers to Ctrl-C."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def begin_loading(worker: int) -> None:
    """Begin a process of a `DataLoader`, which is given its number."""
    start_child()


def ending_with_us() -> dict[str, str]:
    """Environment of a `reworld` command that is to end with this process."""
    return {**os.environ, _PARENT: str(os.getpid())}


def end_with_starter() -> None:
    """Where a command was started by `ending_with_us` or is one of several of a training: do so."""
    parent = os.environ.pop(_PARENT, "")  # it is nobody's below this process
    if parent.isdecimal():
        end_with_parent(int(parent))
    elif "LOCAL_RANK" in os.environ:  # of Lightning's own launcher, or torchrun's
        end_with_parent(os.getppid())


def stop_workers(pool: ProcessPoolExecutor) -> None:
    """End the processes of a pool now, with what they are at."""
    pool.shutdown(wait=False, cancel_futures=True)
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.terminate()


def _wait_for_end() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _ask_for_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY_S)
    os._exit(1)

"""Daemons that end with the process that started them, however that ends.

Ray's own do when they are told, or when what started them has ended in peace. After a SIGKILL some
of them go on for a minute: they ask for a server that is gone. So a process of its own watches, and
ends what is left. It is this file, run by itself: it imports nothing but Python.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

_MARK = "REWORLD_CLUSTER"
_PROCESSES = Path("/proc")  # of Linux; elsewhere nothing is watched
_TRIES, _PAUSE_S = 40, 0.1
_WATCHERS: list[subprocess.Popen[bytes]] = []  # each ends when the pipe to it is closed


@contextlib.contextmanager
def ending_with_this_process() -> Iterator[None]:
    """Processes that are started meanwhile, and all that they start, end when this one has."""
    if not (_PROCESSES / "self" / "environ").is_file():
        yield
        return
    mark = uuid.uuid4().hex
    _WATCHERS.append(
        subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is not for it
        )
    )
    os.environ[_MARK] = mark
    try:
        yield
    finally:
        os.environ.pop(_MARK, None)


def _watch(mark: str) -> None:
    """Wait until whoever holds the other end of the pipe has ended; then end what has the mark."""
    sys.stdin.buffer.read()
    for _ in range(_TRIES):
        left = _marked(f"{_MARK}={mark}".encode())
        if not left:
            return
        for process in left:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        time.sleep(_PAUSE_S)


def _marked(entry: bytes) -> list[int]:
    """Processes that were started with this entry in their environment."""
    found = []
    for process in _PROCESSES.iterdir():
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            if process.name.isdigit() and entry in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


if __name__ == "__main__":
    _watch(sys.argv[1])

"""One maker of the town at a time, in whatever processes: a lock that dies with its holder."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tqdm import tqdm

from reworld_agent.errors import DataError

LOCK = "making.lock"
UNFINISHED = "unfinished"
_NO_LOCKS_HERE = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def only_maker(root: Path, told: bool = True) -> Iterator[None]:
    """Wait until nobody else makes anything in `root`, and keep others waiting.

    The system lets go of the lock when its holder ends, however it ends. What lies unfinished is
    then nobody's: it is removed before anything is made, and again at the end. A disk without
    locks is written to all the same; there only what this process leaves behind is its own, and
    nothing is removed.

    Args:
        root: the town's folder; made where it is not there.
        told: say on the terminal that another process is waited for.

    Raises:
        DataError: the folder cannot be made or written.
    """
    with _open(root) as file:
        held = _take(file, root, told)
        if held:
            _clear(root)
        try:
            yield
        finally:
            if held:
                _clear(root)


def _open(root: Path) -> IO[bytes]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        return (root / LOCK).open("ab")
    except OSError as error:
        raise DataError(
            f"{root}: cannot be written ({error.strerror})",
            "set REWORLD_HOME to a folder that can be written",
        ) from error


def _take(file: IO[bytes], root: Path, told: bool) -> bool:
    """Lock the file, which closing it undoes; False where the disk knows no locks."""
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if told:
                tqdm.write(f"waiting for another process that writes {root}", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _NO_LOCKS_HERE:
            raise
        return False
    return True


def _clear(root: Path) -> None:
    """Remove what is unfinished: out of the way in one step, so that a worker of a maker that was
    killed finds its folder whole or gone, and never moves half of it to its place."""
    rubbish = root / f"{UNFINISHED}.{os.getpid()}"
    with suppress(OSError):  # nothing is there, or a process of this number has left the same
        (root / UNFINISHED).rename(rubbish)
    for folder in root.glob(f"{UNFINISHED}.*"):
        shutil.rmtree(folder, ignore_errors=True)

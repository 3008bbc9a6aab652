"""One maker of the town at a time, in whatever processes: a lock that dies with its holder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reworld_agent.core.atomic import only_process

LOCK = "making.lock"
UNFINISHED = "unfinished"


@contextmanager
def only_maker(root: Path, announce: bool = True) -> Iterator[None]:
    """Wait until nobody else makes anything in `root`, and keep others waiting.

    What lies unfinished when the lock is taken is nobody's: it is removed before anything is made,
    and again at the end. A disk without locks is written to all the same; there only what this
    process leaves behind is its own, and nothing is removed.

    Args:
        root: the town's folder; made where it is not there.
        announce: say on the terminal that another process is waited for.

    Raises:
        DataError: the folder cannot be made or written.
    """
    hint = "set REWORLD_HOME to a folder that can be written"
    with only_process(root / LOCK, hint, announce) as held:
        if held:
            _clear(root)
        try:
            yield
        finally:
            if held:
                _clear(root)


def _clear(root: Path) -> None:
    """Remove what is unfinished, out of the way in one step.

    A worker of a maker that was killed finds its folder whole or gone, and never moves half of it
    to its place.
    """
    rubbish = root / f"{UNFINISHED}.{os.getpid()}"
    with suppress(OSError):  # nothing is there, or a process of this number has left the same
        (root / UNFINISHED).rename(rubbish)
    for folder in root.glob(f"{UNFINISHED}.*"):
        shutil.rmtree(folder, ignore_errors=True)

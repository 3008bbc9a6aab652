"""Files below a folder, linked folders too: clusters keep data sets behind symbolic links."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)


def folders_below(root: Path) -> Iterator[Path]:
    """The folder and all below it, by name, links followed.

    A folder that several names lead to comes once, by a name without links where it has one; so
    a link that leads back up ends no walk.
    """
    seen: set[tuple[int, int]] = set()
    linked: list[Path] = []
    waiting = [root]
    while waiting or linked:
        folder = waiting.pop() if waiting else linked.pop(0)
        try:
            stat = folder.stat()
            if (stat.st_dev, stat.st_ino) in seen:
                continue
            seen.add((stat.st_dev, stat.st_ino))
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError:  # gone, or not for us to read
            continue
        # `Path.is_dir`: what an entry says of a link to itself is an error
        inside = sorted(path for path in (Path(entry.path) for entry in listed) if path.is_dir())
        for entry in listed:
            if entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110 - no Path yet
                logger.warning("%s: a link that leads nowhere", entry.path)
        yield folder
        linked += [path for path in inside if path.is_symlink()]
        waiting += [path for path in reversed(inside) if not path.is_symlink()]


def files_below(root: Path, endings: tuple[str, ...]) -> list[Path]:
    """Files with one of these endings (lower case, with the dot) in the folder and below it.

    Links that lead nowhere are among them: whoever opens one says so.
    """
    found = []
    for folder in folders_below(root):
        with os.scandir(folder) as entries:
            names = [entry.path for entry in entries if entry.name.lower().endswith(endings)]
        found += [path for path in map(Path, names) if not path.is_dir()]
    return sorted(found)

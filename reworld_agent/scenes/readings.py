"""What the first, careful reading of a log found, for all later readings of the same bytes.

A log is known by the hash of its bytes, whatever its name, its time or its place: one that was
changed, or that another file was put in place of, is not known, and is read and checked with all
care. What is kept between processes is believed only from a file that nobody else can write.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from reworld_agent.core import unpickle
from reworld_agent.core.errors import DataError

_CHECKS = ("camera_names.py", "frame_checks.py", "logs.py", "readings.py", "sensors.py")
FRAME, BOXES, STEP, CAMERAS = KINDS = ("frame", "boxes", "step", "cameras")


@dataclass(frozen=True)
class Reading:
    """What is known of the bytes of a log.

    Attributes:
        sha256: of them.
        plain: see `core.unpickle.Content`.
        unfit: numbers of the frames that a check refuses, by the check: `frame` (what is planned
            from), `boxes` (what is scored from besides), `step` (it does not follow the one
            before it), `cameras` (one of the eight is not named).
    """

    sha256: str
    plain: bool
    unfit: dict[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        """Raise DataError where a check is missing or another is there."""
        if set(self.unfit) != set(KINDS):
            raise DataError("no record of these checks", "delete it")

    def fit(self, kind: str, first: int, last: int) -> bool:
        """Whether the check passes all frames `first` up to but without `last`."""
        return not any(first <= number < last for number in self.unfit[kind])

    def serves(self, first: int, last: int, annotations: bool, joined: int | None) -> bool:
        """Whether `LogFrames.check` would pass the same frames."""
        first = max(first, 0)
        end = last if joined is None else first + joined
        content = BOXES if annotations else FRAME
        return self.fit(content, first, last) and self.fit(STEP, first + 1, end)


_KNOWN: dict[str, Reading] = {}


def remember(readings: Iterable[Reading]) -> None:
    """Let this process know what was read."""
    _KNOWN.update((reading.sha256, reading) for reading in readings)


def recall(sha256: str) -> Reading | None:
    """What is known of the bytes with this hash."""
    return _KNOWN.get(sha256)


def is_plain(sha256: str) -> bool:
    """Whether the bytes with this hash are known to be plain."""
    known = _KNOWN.get(sha256)
    return known is not None and known.plain


@lru_cache(maxsize=1)
def rules() -> str:
    """Digest of the code that reads and checks logs: what other code found is not believed."""
    digest = hashlib.sha256(np.__version__.encode())
    reader = sorted(Path(unpickle.__file__).parent.glob("*.py"))
    for path in [*reader, *(Path(__file__).with_name(name) for name in _CHECKS)]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def only_ours(path: Path) -> bool:
    """Whether nobody but this user (or the system's) can have written a file."""
    try:
        found = path.stat()
    except OSError:
        return False
    if not hasattr(os, "getuid"):  # Windows: a user's folder is the user's
        return True
    return found.st_uid in (0, os.getuid()) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)

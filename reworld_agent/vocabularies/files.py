"""Reading a vocabulary: a NumPy file of trajectories, checked before anything is scored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import DataError
from reworld_agent.core.text import shown
from reworld_agent.pdm.poses import interval_of, looks_like_degrees

_MOST_BYTES = 2**31
_MEANT = "save [V, L, 3] floats with numpy.save: x, y [m], heading [rad] in the ego frame at t0"


@dataclass(frozen=True)
class Vocabulary:
    """Trajectories to choose from.

    Attributes:
        poses: float64 [V, L, 3], x, y [m], heading [rad], ego frame at t0.
        interval_s: seconds between poses.
        digest: of the numbers, to float32's digits.
    """

    poses: NDArray[np.float64]
    interval_s: float
    digest: str

    def __len__(self) -> int:
        """How many trajectories it has."""
        return len(self.poses)


def write_vocabulary(path: Path, poses: NDArray[np.floating]) -> None:
    """Write trajectories [V, L, 3] as float32; raises DataError where that is not possible."""

    def write(partial: Path) -> None:
        with partial.open("wb") as stream:
            np.save(stream, poses.astype(np.float32), allow_pickle=False)

    write_atomically(path, write)


def read_vocabulary(path: Path, interval_s: float | None = None) -> Vocabulary:
    """A vocabulary from an npy file, which runs no code.

    Args:
        path: of the file.
        interval_s: seconds between poses; None: 0.5 of 8 poses, 0.1 of 40.

    Raises:
        DataError: it is no npy file of this shape, too large, not finite, in degrees, or its
            sampling is not known.
    """
    name = shown(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{name}: larger than {_MOST_BYTES >> 30} GiB", _MEANT)
        array = np.lib.format.open_memmap(path, mode="r")  # np.load would take archives too
    except (OSError, ValueError, EOFError, SyntaxError, OverflowError, MemoryError) as error:
        raise DataError(f"{name}: no npy file of numbers ({error})", _MEANT) from error
    if array.dtype.kind not in "fiu":
        raise DataError(f"{name}: holds {array.dtype}, no numbers", _MEANT)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise DataError(f"{name}: trajectories have shape {list(array.shape)}", _MEANT)
    poses = np.array(array, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(poses).all(axis=(1, 2)))
    if len(bad):
        raise DataError(f"{name}: {len(bad)} trajectories are not finite, first {bad[0]}", _MEANT)
    if looks_like_degrees(poses):
        raise DataError(f"{name}: headings look like degrees", _MEANT)
    try:
        interval = interval_of(poses.shape[1], interval_s)
    except DataError as error:
        raise DataError(f"{name}: {error.message}", error.hint) from error
    with np.errstate(over="ignore"):
        content = poses.astype(np.float32).tobytes()  # as a folder of scores keeps them
    digest = hashlib.sha256(content + str(interval).encode()).hexdigest()[:16]
    return Vocabulary(poses, interval, digest)

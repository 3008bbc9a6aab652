"""What every source gives: one camera of one drive, its frames in time order and the ego's track.

Times are integer microseconds (us) on the source's own clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.kinematics import EgoTrack
from reworld_agent.core.errors import DataError

Stamps = NDArray[np.int64]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Recording:
    """Frames of one camera over one scene.

    Attributes:
        source: name of its source, such as nuscenes.
        scene: name of the scene; splits keep scenes whole.
        camera: the camera's own name.
        stamps: [N] us, ascending.
        files: [N] images relative to the root; empty where `video` holds the frames.
        video: a video file relative to the root, or empty.
        track: the ego's motion, None where it is not known.
        licence: of the pictures.
        split: the source's own split, or empty.
        notes: what was corrected while reading, each a clause that ends in a number or a name.
    """

    source: str
    scene: str
    camera: str
    stamps: Stamps
    files: tuple[str, ...] = ()
    video: str = ""
    track: EgoTrack | None = None
    licence: str = "unknown"
    split: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def kind(self) -> str:
        """`video` or `images`."""
        return "video" if self.video else "images"


@dataclass(frozen=True)
class Refused:
    """A recording that cannot be read; the others go on.

    Attributes:
        name: its file or scene, relative to the root where that can be.
        reason: why.
    """

    name: str
    reason: str


class UndeclaredRateError(DataError):
    """Frames carry no times and nothing says their rate: one word is missing, and no file bad."""


def each(
    items: Iterable[Item], read: Callable[[Item], Recording], name: Callable[[Item], str]
) -> Iterator[Recording | Refused]:
    """What `read` gives of each item; `Refused` where that is a DataError.

    Raises:
        UndeclaredRateError: as `read` does.
    """
    for item in items:
        try:
            found: Recording | Refused = read(item)
        except UndeclaredRateError:
            raise
        except DataError as error:
            found = Refused(name(item), error.message)
        yield found


def in_time_order(
    stamps: Stamps, files: list[str], name: str
) -> tuple[Stamps, tuple[str, ...], tuple[str, ...]]:
    """Stamps, files and notes, sorted by time; of frames with one timestamp the first stays."""
    order = np.argsort(stamps, kind="stable")
    notes = []
    if (order != np.arange(len(order))).any():
        notes.append(f"{name}: timestamps out of order, frames sorted by time")
    rising = stamps[order]
    new = np.concatenate([[True], np.diff(rising) > 0]) if len(rising) else np.zeros(0, dtype=bool)
    if not new.all():
        notes.append(f"{name}: frames with the timestamp of another left out: {(~new).sum()}")
    kept = tuple(files[i] for i in order[new])
    return rising[new], kept, tuple(notes)


def relative(path: Path, root: Path) -> str:
    """A path below `root`, as the index stores it."""
    return path.relative_to(root).as_posix()

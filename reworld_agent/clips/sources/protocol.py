"""What an index of clips is made from: a layout of data on disk, read one recording at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from reworld_agent.clips.recording import Recording, Refused


@dataclass(frozen=True)
class Options:
    """Settings of a source; which of them have a meaning, its `options` say.

    Attributes:
        camera: the camera's name; None = the source's front camera.
        part: nuScenes' folder of tables (v1.0-trainval), or the split folder of OpenScene or of
            the town (mini, town_test); None = the only one, or all.
        images: nuPlan's folder of images, where it is not below the root.
        licence: of a folder of one's own.
        fps: rate of images and raw streams, which carry no times.
        fps_declared: the rate was said, and is not the source's own.
    """

    camera: str | None = None
    part: str | None = None
    images: Path | None = None
    licence: str = "unknown"
    fps: float = 8.0
    fps_declared: bool = True


class ClipSource(Protocol):
    """A layout of data."""

    @property
    def fps(self) -> float:
        """Frames a second of its clips, where no rate is asked for."""

    @property
    def options(self) -> tuple[str, ...]:
        """The fields of Options that it reads beside `camera` and `fps`."""

    def recordings(self, root: Path, options: Options) -> Iterator[Recording | Refused]:
        """The recordings below a root, one at a time, in the order of their names.

        One that cannot be read is given as `Refused`, so that the others go on.

        Args:
            root: folder of the data; files of a recording are named from it.
            options: see there.

        Raises:
            DataError: the data are not there, or cannot be read as a whole (names the file).
        """


class SourceBuilder(Protocol):
    """What is registered: a class, or a function, called without arguments."""

    def __call__(self) -> ClipSource:
        """The source."""

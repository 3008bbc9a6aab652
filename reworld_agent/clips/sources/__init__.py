"""Readers of recordings: nuScenes, nuPlan, OpenScene, folders, the embedded town."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reworld_agent.clips.recording import Recording


@dataclass(frozen=True)
class Options:
    """What a source may be told.

    Attributes:
        camera: the camera's name; None = the source's front camera.
    part: nuScenes' folder of tables (v1.0-trainval), or the split folder of OpenScene or of the
            town (mini, town_test); None = the only one, or all.
        images: nuPlan's folder of images, where it is not below the root.
        licence: of a folder of one's own.
        fps: rate of images that carry no times.
    """

    camera: str | None = None
    part: str | None = None
    images: Path | None = None
    licence: str = "unknown"
    fps: float = 8.0


class Source(Protocol):
    """Gives the recordings below a root, one at a time, in the order of their names."""

    def __call__(self, root: Path, options: Options) -> Iterator[Recording]: ...

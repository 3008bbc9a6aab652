"""Which futures `reworld video generate` is asked for, each with what tells its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reworld_agent.clips.decode import frame_times, holds_floats, open_reader
from reworld_agent.clips.index import ClipIndex, read_index
from reworld_agent.clips.stored import UINT8, Stored, no_floats
from reworld_agent.config import FRONT, ClipConfig
from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.file_names import file_name, file_names
from reworld_agent.generation.samples import (
    Sample,
    frames_of,
    from_file,
    from_index,
    from_scene,
)
from reworld_agent.generation.settings import GenerateSettings


@dataclass(frozen=True)
class Job:
    """One future.

    Attributes:
        number: chooses its noise.
        name: of its files: that of its clip, where it is plain (`core.guards.file_names`).
        source: what tells its clip from others of the same name.
        read: gives the clip; raises DataError.
    """

    number: int
    name: str
    source: dict[str, Any]
    read: Callable[[], Sample] = field(repr=False)


def asked_for(
    settings: GenerateSettings, clip: ClipConfig, cameras: Sequence[str] = FRONT
) -> list[Job]:
    """The futures that are asked for; of an index, its rows are long enough.

    Nothing is decoded yet. `cameras` are those of a scene that the model sees.

    Raises:
        DataError: rows, files or the index are not there, or a row is too short.
    """
    if settings.index is not None:
        index = read_index(settings.index, settings.root)
        if settings.split is not None:
            index = index.split(settings.split)
        index.check_files()
        return list(_of_rows(index, _chosen(settings, len(index)), clip))
    if settings.clip is not None:
        return [_of_file(settings, settings.clip, clip)]
    assert settings.token is not None, "checked"
    token, split = settings.token, settings.data_split or "town_test"
    name = file_name(token)
    return [
        Job(
            *(0, name, {"data_split": split}),
            lambda: _named(name, from_scene(token, split, clip, cameras)),
        )
    ]


def _of_file(settings: GenerateSettings, file: Path, clip: ClipConfig) -> Job:
    start, stored = settings.start or 0, Stored(range=settings.range)
    if settings.range is not None and settings.range != UINT8 and not holds_floats(file, stored):
        raise no_floats("range", settings.range, f"{file} holds")
    if frame_times(open_reader(file, stored), stored) is None and settings.fps is None:
        raise DataError(
            f"{file}: its frames carry no times, and nothing says their rate",
            f"declare it with fps= (the model's own is {clip.fps:g})",
        )
    source = {"clip": str(file.absolute()), "bytes": _bytes(file), "start": start}
    if settings.range is not None:
        source["range"] = list(settings.range)
    name = file_name(file.stem)
    return Job(0, name, source, lambda: _named(name, from_file(file, clip, start, stored)))


def _of_rows(index: ClipIndex, numbers: range, clip: ClipConfig) -> Iterator[Job]:
    names = file_names(index.column("clip_id"))
    for number in numbers:
        row = index.row(number)
        frames_of(row, clip)  # too short a row is refused before any other is decoded
        source = {key: row[key] for key in ("source", "scene", "checksum")}
        source |= {"start_s": float(row["start_s"]), "fps": float(row["fps"])}
        name = names[str(row["clip_id"])]
        yield Job(number, name, source, _reader(index, number, clip, name))


def _reader(index: ClipIndex, number: int, clip: ClipConfig, name: str) -> Callable[[], Sample]:
    return lambda: _named(name, next(from_index(index, [number], clip)))


def _named(name: str, sample: Sample) -> Sample:
    """The sample with the name of its files."""
    return replace(sample, name=name)


def _chosen(settings: GenerateSettings, count: int) -> range:
    """The rows that are asked for of `count`; raises DataError."""
    first, last = settings.rows
    last = count if last is None else last
    if last > count:
        message = f"row={settings.row}: there are {count} clips, numbered from 0"
        raise DataError(message, f"use row=0:{count} or row=all")
    return range(first, last)


def _bytes(path: Path) -> int:
    """Of a file, or of all files in a folder."""
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        return path.stat().st_size
    except OSError as error:
        message = f"{path}: no such clip ({error.strerror})"
        raise DataError(message, "name a video file or a folder of images") from error

"""Which futures `reworld video generate` is asked for, each with what tells its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reworld_agent.cli.video.model_choice import whole
from reworld_agent.clips.index import ClipIndex, read_index
from reworld_agent.config import ClipConfig
from reworld_agent.core.arguments import Words
from reworld_agent.core.errors import DataError, UsageError
from reworld_agent.generation.samples import Sample, from_file, from_index, from_scene


@dataclass(frozen=True)
class Job:
    """One future.

    Attributes:
        number: chooses its noise.
        name: of its files.
        source: what tells its clip from others of the same name.
        read: gives the clip; raises DataError.
    """

    number: int
    name: str
    source: dict[str, Any]
    read: Callable[[], Sample] = field(repr=False)


def asked_for(words: Words, clip: ClipConfig) -> list[Job]:
    """The futures that the words ask for; nothing is decoded yet.

    Raises:
        UsageError, DataError: rows, files or the index are not there.
    """
    file, table = words.path("clip"), words.path("index")
    if table is not None:
        index = read_index(table, words.path("root"))
        if "split" in words.settings:
            index = index.split(words.settings["split"])
        index.check_files()
        return list(_of_rows(index, words.settings.get("row", "0"), clip))
    if file is not None:
        start = whole(words, "start", 0)
        source = {"clip": str(file.absolute()), "bytes": _bytes(file), "start": start}
        return [Job(0, file.stem, source, lambda: from_file(file, clip, start))]
    token, split = words.settings["token"], words.settings.get("data_split", "town_test")
    return [Job(0, token, {"data_split": split}, lambda: from_scene(token, split, clip))]


def _of_rows(index: ClipIndex, text: str, clip: ClipConfig) -> Iterator[Job]:
    for number in _rows(text, len(index)):
        row = index.row(number)
        source = {key: row[key] for key in ("source", "scene", "checksum")}
        source |= {"start_s": float(row["start_s"]), "fps": float(row["fps"])}
        yield Job(number, str(row["clip_id"]), source, _reader(index, number, clip))


def _reader(index: ClipIndex, number: int, clip: ClipConfig) -> Callable[[], Sample]:
    return lambda: next(from_index(index, [number], clip))


def _rows(text: str, count: int) -> range:
    """`3`, `0:16` or `all` of `count` rows; raises UsageError, DataError."""
    if text == "all":
        return range(count)
    first, colon, last = text.partition(":")
    if not first.isdecimal() or (colon and not last.isdecimal()):
        raise UsageError(f"row={text} names no rows", "say row=3, row=0:16 or row=all")
    found = range(int(first), int(last) if colon else int(first) + 1)
    if not found:
        raise UsageError(f"row={text} names no rows", "the first is below the last: row=0:16")
    if found[-1] >= count:
        message = f"row={text}: there are {count} clips, numbered from 0"
        raise DataError(message, f"say row=0:{count} or row=all")
    return found


def _bytes(path: Path) -> int:
    """Of a file, or of all files in a folder."""
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        return path.stat().st_size
    except OSError as error:
        message = f"{path}: no such clip ({error.strerror})"
        raise DataError(message, "name a video file or a folder of images") from error

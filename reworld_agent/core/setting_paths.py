"""Paths of settings: what must be there is there, and what is written can be written.

All is found out before anything is read, and nothing is left behind by it.
"""

from __future__ import annotations

import errno
import itertools
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reworld_agent.core.errors import UsageError
from reworld_agent.core.text import shown

FOLDER = "folder"
_LOGS, _DATA = "navsim_logs", ("sensor_blobs", "maps", "synthetic_scene_pickles")
_DATA_ROOTS = ("OPENSCENE_DATA_ROOT", "NUPLAN_MAPS_ROOT")
_LONGEST_NAME, _LONGEST_PATH = 255, 4095  # bytes, on Linux
_OURS = b"reworld"  # `result_tables.METADATA_KEY`, which needs pandas
_TABLES = (".parquet", ".csv", ".json")
_KINDS: Mapping[str, tuple[str, Callable[[Path], bool]]] = {
    "file": ("file", Path.is_file),
    FOLDER: ("folder", Path.is_dir),
    "any": ("file or folder", Path.exists),
}


def require_storable(name: str, path: str | Path) -> None:
    """Raise UsageError for a path that no file can have: too long, or of characters of no name."""
    text = str(path)
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:
        encoded = b"\0"
    longest = max(map(len, encoded.split(b"/")))
    if b"\0" in encoded or longest > _LONGEST_NAME or len(encoded) > _LONGEST_PATH:
        message = f"{name}={ascii(text)[1:60]}... cannot be the path of a file"
        raise UsageError(message, f"names of at most {_LONGEST_NAME} bytes, without \\0")


def require(name: str, path: Path, kind: str) -> None:
    """Raise UsageError where no file, folder or any of both lies at a setting's path."""
    noun, there = _KINDS[kind]
    if there(path):
        return
    fault, hint = f": no such {noun}", f"check the path of {name}="
    if path.is_dir():
        fault, hint = f" is a folder, not a {noun}", f"name a {noun} in it"
    elif path.exists():
        fault, hint = f" is not a {noun}", f"name the {noun} that is meant"
    raise UsageError(f"{name}={shown(path)}{fault}", hint)


def check_output(
    name: str,
    path: Path,
    writes: str | Sequence[str],
    inputs: Sequence[tuple[str, Path]],
    makes: Sequence[str] = (),
) -> None:
    """Raise UsageError where a setting's output cannot be written, or would overwrite an input.

    An input is overwritten where it is an output by any of its names, or lies in what is made anew
    in a folder; and a file in a folder that is read may be an input, unless it is a table of ours.

    Args:
        name: of the setting.
        path: its value.
        writes: "folder", or the endings of its files.
        inputs: settings and the paths of what is read.
        makes: of a folder, the names in it that are made anew.
    """
    hint = f"choose another {name}="
    files = written(path, writes)
    made = [(path / part).resolve() for part in makes]
    named = [*((source, taken) for source, taken in inputs if taken.is_dir()), *_data_roots()]
    folders = [(source, part) for source, taken in named for part in data_folders(taken)]
    for source, taken in inputs:
        real = taken.resolve()
        if any(file.resolve() == real or _one_file(file, real) for file in files) or any(
            real.is_relative_to(place) for place in made
        ):
            message = f"{name}={shown(path)} would overwrite the input {source}={shown(taken)}"
            raise UsageError(message, hint)
    if writes != FOLDER and not any(_is_ours(file) for file in files):
        for file, (source, taken) in itertools.product(files, folders):
            if file.is_file() and file.resolve().is_relative_to(taken.resolve()):
                message = f"{name}={shown(path)} would overwrite {shown(file)}, which lies in "
                raise UsageError(f"{message}{source}={shown(taken)}", hint)
    for file in files:
        if file.exists() and file.is_dir() != (writes == FOLDER):
            noun = "a file, not a folder" if writes == FOLDER else "a folder, not a file"
            raise UsageError(f"{name}={shown(path)}: {shown(file)} is {noun}", hint)
    require_writable(name, path if writes == FOLDER else path.parent)


def _data_roots() -> list[tuple[str, Path]]:
    """Folders of data that the environment names."""
    found = ((name, os.environ.get(name)) for name in _DATA_ROOTS)
    return [(name, Path(value)) for name, value in found if value and Path(value).is_dir()]


def data_folders(folder: Path) -> list[Path]:
    """What is data in a folder: all, but of a root of NAVSIM's, where results may lie as well."""
    if not (folder / _LOGS).is_dir():
        return [folder]
    return [
        place
        for place in folder.iterdir()
        if place.is_dir() and (place.name in (_LOGS, *_DATA) or place.name.endswith("_two_stage"))
    ]


def _one_file(one: Path, other: Path) -> bool:
    """Whether two names are of one file: hard links, or names that differ in case alone."""
    try:
        return one.is_file() and one.samefile(other)
    except OSError:
        return False


def _is_ours(file: Path) -> bool:
    """Whether a file is a table with our provenance: its footer, the end of a parquet, has it."""
    try:
        with file.open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(end - 8, 0))
            tail = stream.read()
            if tail[4:] != b"PAR1":
                return False
            size = int.from_bytes(tail[:4], "little")
            stream.seek(max(end - 8 - size, 0))
            return _OURS in stream.read(size)
    except OSError:
        return False


def require_writable(name: str, folder: Path) -> None:
    """Raise UsageError where nothing can be written into the folder of a setting."""
    reason = why_not_writable(folder)
    if reason:
        message = f"{name}={shown(folder)} cannot be written: {reason}"
        raise UsageError(message, f"choose another {name}=")


def written(path: Path, writes: str | Sequence[str]) -> list[Path]:
    """The files that an output stands for; a folder stands for itself."""
    return [path] if writes == FOLDER else [with_ending(path, ending) for ending in writes]


def with_ending(path: Path, ending: str) -> Path:
    """`a`, `a.csv` and `a.parquet` become `a<ending>`; any stays as it is where that is ""."""
    if not ending:
        return path
    stem = path.name.removesuffix(path.suffix) if path.suffix in _TABLES else path.name
    return path.with_name(stem + ending)


def why_not_writable(folder: Path) -> str:
    """Why nothing can be written into a folder that may not be there yet; "" where it can be."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir():
        return f"{shown(nearest)} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=nearest):  # it never has a name
            return ""
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return (
            "" if full else f"{shown(nearest)}: {error.strerror}"
        )  # full: reported when it is met

"""Paths of settings: what must be there is there, and what is written can be written.

All is found out before anything is read, and nothing is left behind by it.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reworld_agent.core.errors import UsageError
from reworld_agent.core.text import shown

FOLDER = "folder"
_TABLES = (".parquet", ".csv", ".json")
_KINDS: Mapping[str, tuple[str, Callable[[Path], bool]]] = {
    "file": ("file", Path.is_file),
    FOLDER: ("folder", Path.is_dir),
    "any": ("file or folder", Path.exists),
}


def require(name: str, path: Path, kind: str) -> None:
    """Raise UsageError where no file, folder or any of both lies at a setting's path."""
    noun, there = _KINDS[kind]
    if not there(path):
        raise UsageError(f"{name}={shown(path)}: no such {noun}", f"check the path of {name}=")


def check_output(
    name: str, path: Path, writes: str | Sequence[str], inputs: Sequence[tuple[str, Path]]
) -> None:
    """Raise UsageError where a setting's output cannot be written, or would overwrite an input.

    Args:
        name: of the setting.
        path: its value.
        writes: "folder", or the endings of its files.
        inputs: settings and the resolved paths of what is read.
    """
    hint = f"choose another {name}="
    for file in written(path, writes):
        for source, taken in inputs:
            if file.resolve() == taken:
                message = f"{name}={shown(path)} would overwrite the input {source}={shown(taken)}"
                raise UsageError(message, hint)
        if file.exists() and file.is_dir() != (writes == FOLDER):
            noun = "a file, not a folder" if writes == FOLDER else "a folder, not a file"
            raise UsageError(f"{name}={shown(path)}: {shown(file)} is {noun}", hint)
    require_writable(name, path if writes == FOLDER else path.parent)


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

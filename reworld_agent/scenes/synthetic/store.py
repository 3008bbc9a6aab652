"""Writing a split to disk, so that being killed at any moment leaves nothing half done.

Files and folders are written under another name and moved to their place when complete; what is in
its place is complete and is not made again.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from reworld_agent.core.errors import DataError
from reworld_agent.scenes.synthetic.maker_lock import UNFINISHED

PART = ".part"


def scratch(root: Path, name: str) -> Path:
    """A place for something unfinished, on the same disk, apart from all that is read."""
    path = root / UNFINISHED / f"{name}{PART}{os.getpid()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_bytes(root: Path, path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        DataError: the disk is full or the folder not writable; nothing is left behind.
    """
    part: Path | None = None
    try:
        part = scratch(root, path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        if part is not None and part.exists():
            part.unlink()
        raise DataError(
            f"{path}: cannot be written ({error.strerror})",
            "free some space, or set REWORLD_HOME to a folder that can be written",
        ) from error


def settle(part: Path, folder: Path) -> None:
    """Move a complete folder to its place; somebody else's, made meanwhile, is as good."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.rename(folder)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        if not folder.is_dir():
            raise

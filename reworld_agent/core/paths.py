"""Where everything lies that can be made or fetched again; what is a file at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_home() -> Path:
    """`$REWORLD_HOME`, else `reworld` in the user's cache folder: ~/.cache on Linux.

    An existing ~/.cache/reworld goes on being used where the system's cache folder is another.
    """
    named = os.environ.get("REWORLD_HOME")
    if named:
        return Path(named)
    before = Path.home() / ".cache" / "reworld"
    return before if before.is_dir() else user_cache_path("reworld")


def require_plain(path: Path) -> None:
    """Raise OSError for a pipe or a device: opening it may wait for ever."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "a pipe or a device, no plain file", str(path))

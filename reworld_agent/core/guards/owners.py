"""Whose a file is: what is believed without another look must be nobody else's."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def only_ours(path: Path) -> bool:
    """Whether nobody but this user (or the system's) can have written a file."""
    try:
        found = path.stat()
    except OSError:
        return False
    if not hasattr(os, "getuid"):  # Windows: a user's folder is the user's
        return True
    return found.st_uid in (0, os.getuid()) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)

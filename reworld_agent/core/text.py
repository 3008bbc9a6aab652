"""Text for people: paths and words that any terminal can print."""

from __future__ import annotations

import os
from pathlib import Path


def is_file_name(text: str) -> bool:
    """True for the name of one file or folder: no path, and no way out of a folder."""
    return text not in ("", ".", "..") and not set(text) & {"/", "\\", "\0"}


def shown(path: str | Path) -> str:
    """A path as text that any terminal can print, whatever bytes its name holds."""
    return os.fsencode(path).decode("utf-8", "replace")

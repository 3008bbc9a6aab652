"""Text for people: paths and words that any terminal can print."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_LONGEST = 100  # letters of one value
_LONGEST_ERROR = 400  # letters that are shown of an error of somebody's code


def is_file_name(text: str) -> bool:
    """True for the name of one file or folder: no path, and no way out of a folder."""
    return text not in ("", ".", "..") and not set(text) & {"/", "\\", "\0"}


def shown(path: str | Path) -> str:
    """A path as text that any terminal can print, whatever bytes its name holds."""
    return os.fsencode(path).decode("utf-8", "replace")


def one_line(text: str, longest: int = _LONGEST_ERROR) -> str:
    """Somebody's text in one line of bounded length; what no terminal or table holds is "?"."""
    short = text[: 2 * longest]  # a long one is not read through
    plain = "".join(c if c.isprintable() else "?" for c in " ".join(short.split()))
    return plain if len(plain) <= longest and short == text else f"{plain[:longest]} ..."


def said(error: BaseException) -> str:
    """An error of somebody's code in one line of bounded length."""
    try:
        short = one_line(str(error))
    except Exception:  # it cannot even say what it is
        short = ""
    return f"{type(error).__name__}: {short}" if short else type(error).__name__


def config_difference(wanted: Any, found: Any, path: str = "") -> list[str]:
    """`field: a, not b` for every field that differs between two nested dictionaries."""
    if not isinstance(wanted, dict) or not isinstance(found, dict):
        difference = f"{path}: weights have {_cut(found)}, config has {_cut(wanted)}"
        return [] if wanted == found else [difference]
    keys = sorted(set(wanted) | set(found))
    return [
        line
        for key in keys
        for line in config_difference(
            wanted.get(key), found.get(key), f"{path}.{key}" if path else key
        )
    ]


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."

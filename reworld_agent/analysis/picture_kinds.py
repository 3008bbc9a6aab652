"""Kinds of picture files, by their endings."""

from __future__ import annotations

from pathlib import Path

from reworld_agent.core.errors import UsageError
from reworld_agent.core.text import shown

STILLS = ("png", "jpg", "jpeg", "webp", "pdf", "svg")
MOVING = ("gif", "mp4")
KINDS = (*STILLS, *MOVING)


def kind_of(path: str | Path) -> str:
    """A file's ending without the dot, in small letters."""
    return Path(path).suffix.lower().lstrip(".")


def require_kind(name: str, path: Path, kinds: tuple[str, ...] = KINDS) -> None:
    """Raise UsageError where a setting's file has an ending that no picture is written as."""
    if kind_of(path) not in kinds:
        raise UsageError(
            f"{name}={shown(path)}: pictures are not written as .{kind_of(path)}",
            f"use one of {', '.join('.' + kind for kind in kinds)}",
        )

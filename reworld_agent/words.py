"""`key=value` words of the command line, with errors that say what is known."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reworld_agent.errors import ConfigError


@dataclass(frozen=True)
class Words:
    """What a command was given: plain words in order, and settings."""

    plain: tuple[str, ...]
    settings: Mapping[str, str]

    def flag(self, key: str, default: bool = False) -> bool:
        """A setting that is true or false; raises ConfigError."""
        text = self.settings.get(key, str(default)).lower()
        if text not in ("true", "false"):
            raise ConfigError(f"{key}={text} is neither true nor false", f"say {key}=true")
        return text == "true"

    def number(self, key: str, default: int) -> int:
        """A whole number from 1 on; raises ConfigError."""
        text = self.settings.get(key, str(default))
        if not text.isdigit() or int(text) < 1:
            raise ConfigError(f"{key}={text} is no whole number from 1 on", f"say {key}={default}")
        return int(text)

    def choice(self, key: str, known: Sequence[str]) -> str | None:
        """One of some words, None where it is not given; raises ConfigError."""
        text = self.settings.get(key)
        if text is not None and text not in known:
            raise ConfigError(f"{key}={text} is unknown", f"say {key}={' | '.join(known)}")
        return text

    def path(self, key: str) -> Path | None:
        """A path, None where it is not given."""
        text = self.settings.get(key)
        return Path(text).expanduser() if text else None


def parse(arguments: Sequence[str], known: Sequence[str], usage: str) -> Words:
    """Tell settings from plain words; an existing path with `=` in its name is a plain word.

    Raises:
        ConfigError: a setting that the command does not know.
    """
    plain, settings = [], {}
    for word in arguments:
        key, equals, value = word.partition("=")
        if equals and key in known:
            settings[key] = value
        elif equals and not Path(word).exists():
            raise ConfigError(f"{shown(word)}: {key}= is unknown", usage)
        else:
            plain.append(word)
    return Words(tuple(plain), settings)


def shown(path: str | Path) -> str:
    """A path as text that any terminal can print, whatever bytes its name holds."""
    return os.fsencode(path).decode("utf-8", "replace")

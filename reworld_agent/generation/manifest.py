"""What a folder of futures holds already: of which source each is, and what it is drawn beside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.records import as_shown, read_record, write_record

FOLDER = "sources"
MISSING, OTHER_PANELS, DONE = "missing", "other panels", "done"


@dataclass(frozen=True)
class _Entry:
    """The record of one future."""

    source: dict[str, Any]
    other: str | None


@dataclass(frozen=True)
class Manifest:
    """The manifest of a folder, a small file for each future, written when all of it is there.

    Attributes:
        output: the folder.
        other: the other model's futures that ours are drawn beside; None = nobody's.
    """

    output: Path
    other: Path | None

    def state(self, name: str, source: dict[str, Any]) -> str:
        """MISSING, DONE, or OTHER_PANELS: the future is there, drawn beside something else.

        Raises:
            ConfigError: a future of this name has another source.
        """
        known = self._read(name)
        if known is None:
            return MISSING
        if known.source != source:
            changed = [key for key in source if known.source.get(key) != source[key]]
            first = changed[0] if changed else "source"
            both = f"{first} {as_shown(known.source.get(first))}, not {source.get(first)}"
            message = f"{self.output} holds a future named {name} of another source ({both})"
            raise ConfigError(message, "choose another output_dir=")
        return DONE if known.other == self._other else OTHER_PANELS

    def note(self, name: str, source: dict[str, Any]) -> None:
        """Say that all files of a future are there; raises DataError."""
        write_record(self._file(name), _Entry(source, self._other))

    @property
    def _other(self) -> str | None:
        return None if self.other is None else str(self.other.absolute())

    def _file(self, name: str) -> Path:
        return self.output / FOLDER / f"{name}.json"

    def _read(self, name: str) -> _Entry | None:
        file = self._file(name)
        if not file.is_file():
            return None
        return read_record(file, _Entry, "delete it: its future is then made again")

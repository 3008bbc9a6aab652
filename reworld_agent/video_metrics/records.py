"""What was computed of each clip, on disk: a stopped run goes on, another one shares it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.atomic import write_atomically
from reworld_agent.video_metrics.weights import cache_folder

Arrays = dict[str, NDArray[Any]]
VERSION = 1  # of what is computed: new whenever the same clip and settings give other numbers


class Records:
    """Small arrays by key, one file each; several processes may fill one folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "features"

    def _path(self, key: Mapping[str, Any]) -> Path:
        text = json.dumps({**key, "version": VERSION}, sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        return self.folder / name[:2] / f"{name}.npz"

    def get(self, key: Mapping[str, Any]) -> Arrays | None:
        """What was put under this key; None where there is nothing readable."""
        try:
            with np.load(self._path(key), allow_pickle=False) as opened:
                return {name: opened[name] for name in opened.files}
        except Exception:  # absent, or damaged, which makes numpy raise nearly anything
            return None

    def put(self, key: Mapping[str, Any], arrays: Arrays) -> None:
        """Keep arrays under a key, in one step; raises DataError where that is impossible."""

        def write(partial: Path) -> None:
            with partial.open("wb") as stream:
                _save(stream, arrays)

        write_atomically(self._path(key), write)


def _save(stream: BinaryIO, arrays: Arrays) -> None:
    np.savez(stream, allow_pickle=False, **arrays)

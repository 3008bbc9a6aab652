"""Two drives of the test town, made once for all tests here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reworld_agent.scenes.logs import load_log
from reworld_agent.scenes.synthetic import SplitRoots, ensure_split


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> SplitRoots:
    """Two logs with front camera, and the maps of all four cities."""
    root = tmp_path_factory.mktemp("town")
    return ensure_split("town_test", root=root, scenes=30, progress=False, workers=1)


@pytest.fixture(scope="session")
def town6(tmp_path_factory: pytest.TempPathFactory) -> SplitRoots:
    """Two logs of version 6 without pictures, and its maps."""
    root = tmp_path_factory.mktemp("town6")
    return ensure_split("town6_test", root=root, cameras=(), scenes=50, progress=False, workers=1)


@pytest.fixture(scope="session")
def log_paths(town: SplitRoots) -> list[Path]:
    """The log files."""
    return sorted((town.data_root / "navsim_logs" / town.data_split).iterdir())


@pytest.fixture(scope="session")
def frames(log_paths: list[Path]) -> list[dict[str, Any]]:
    """The frames of the second log, whose lead brakes."""
    return load_log(log_paths[1])

"""Fixtures shared by all tests: one torch thread, and where the reference data lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the reference data beside the checkout; the test is skipped where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the reference data (../shared/data) are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def devkit_reference(shared_data: Path) -> Path:
    """The split `toy`, 2,560 candidates scored by the stock devkit."""
    return shared_data / "devkit_reference"


@pytest.fixture(scope="session")
def real_reference(shared_data: Path) -> Path:
    """Splits `av2` and `nuscenes`: real maps and traffic, 5,312 rows scored by the stock devkit."""
    return shared_data / "real_reference"

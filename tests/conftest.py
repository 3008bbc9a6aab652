"""Fixtures shared by all tests: one torch thread, and where the reference data lie."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def root_handlers_end_with_their_test() -> Iterator[None]:
    """Hydra's logging of a command that a test runs would write to a stream that has ended."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    for handler in [h for h in root.handlers if h not in before]:
        if type(handler) in (logging.StreamHandler, logging.FileHandler):
            root.removeHandler(handler)


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

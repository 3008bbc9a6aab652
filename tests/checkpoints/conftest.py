"""A small LTX VAE, and the folders of the ancestors."""

from __future__ import annotations

from pathlib import Path

import pytest

from reworld_agent.video.codecs.ltx import LTX_095
from tests.checkpoints.ancestors import SMALL_VAE, write_ltx


@pytest.fixture(autouse=True)
def small_vae(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every LTX VAE of a test is small."""
    for key, value in SMALL_VAE.items():
        monkeypatch.setitem(LTX_095, key, value)


@pytest.fixture
def ltx(tmp_path: Path) -> Path:
    """A folder of LTX-Video."""
    return write_ltx(tmp_path / "ltx")

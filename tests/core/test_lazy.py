"""Faces import what they name when it is touched, and nothing before."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FACE = """
from reworld_agent.core.lazy import lazy_face

__all__ = ["one", "two"]
__getattr__, __dir__ = lazy_face(__name__, {"heavy": ["one", "two"]})
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with a light face."""
    folder = tmp_path / "lazy_example"
    folder.mkdir()
    (folder / "__init__.py").write_text(FACE)
    (folder / "heavy.py").write_text("one, two = 1, 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "lazy_example"


def test_a_name_is_imported_when_it_is_touched(package: str) -> None:
    face = __import__(package)
    assert {"one", "two"} <= set(dir(face)) and f"{package}.heavy" not in sys.modules
    assert face.two == 2 and f"{package}.heavy" in sys.modules
    assert vars(face)["two"] == 2  # kept: the second time costs nothing
    with pytest.raises(AttributeError, match="module 'lazy_example' has no attribute 'three'"):
        face.three  # noqa: B018

"""Where the cache lies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reworld_agent.core.paths import cache_home


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other cache folders")
def test_the_cache_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REWORLD_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_home() == tmp_path / ".cache" / "reworld"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_home() == tmp_path / "xdg" / "reworld"
    (tmp_path / ".cache" / "reworld").mkdir(parents=True)
    assert cache_home() == tmp_path / ".cache" / "reworld"
    monkeypatch.setenv("REWORLD_HOME", str(tmp_path / "mine"))
    assert cache_home() == tmp_path / "mine"

"""A folder in which designs run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from reworld_agent.benchmarks.evidence import measured
from reworld_agent.model.gate_record import write_verdict
from tests.evidence.nano import nano


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with designs.yaml and weights that have passed the gate; drives of two towns."""
    (tmp_path / "designs.yaml").write_text(yaml.safe_dump(nano(), sort_keys=False))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "checksums.json").write_text("{}")
    write_verdict(tmp_path / "weights", "video half passed", "town6_val", 9, "0")

    def halves(split: str, drives: list[str]) -> list[str]:
        return ["north" if int(drive[-1]) % 2 else "south" for drive in drives]

    monkeypatch.setattr(measured, "towns_of", halves)
    return tmp_path

"""The paper's rows, and that nothing unlike is put beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from reworld_agent.analysis.tables.published import own_row, published, unlike
from reworld_agent.analysis.tables.score_tables import ScoreTable, read_table
from reworld_agent.pdm.metrics.table import PDMS_V1
from tests.analysis.tables import scores, v2_scores, write


def table(frame: pd.DataFrame, tmp_path: Path, split: str) -> ScoreTable:
    """A table of a split."""
    return replace(read_table(write(frame, tmp_path / "x.csv")), provenance={"split": split})


def test_printed_pdms_is_between_its_bounds() -> None:
    """A scene's score is at most its weighted mean, and metrics fail together more than apart."""
    rows = published()["table_3"].rows
    assert len(rows) == 16 and len(published()["table_1"].rows) == 7
    for row in rows:
        nc, dac, ttc, comfort, ep, pdms = row["values"]
        if nc is None:
            continue
        weighted = (5 * ep + 5 * ttc + 2 * comfort) / 12
        assert nc * dac / 1e4 * weighted - 0.1 <= pdms <= weighted + 0.1, row["method"]


def test_the_papers_own_row() -> None:
    own = next(row for row in published()["table_3"].rows if row["method"] == "ReWorld")
    assert own["values"] == [99.1, 98.2, 97.7, 99.8, 82.0, 90.4]


def test_like_with_like_only(tmp_path: Path) -> None:
    other = published()["table_3"]
    small = table(scores(), tmp_path, "town_test")
    assert len(unlike(small, other)) == 2
    assert "town_test" in unlike(small, other)[0] and "12,146" in unlike(small, other)[1]
    whole = table(scores(12_146), tmp_path, "test")
    assert unlike(whole, other) == []
    assert own_row(whole, other)[-1] == pytest.approx(100 * whole.frame["score"].mean())
    assert len(own_row(whole, other)) == len(PDMS_V1.metrics) - 1
    holes = whole.frame.copy()
    holes.iloc[0] = float("nan")
    assert "have no score" in unlike(replace(whole, frame=holes), other)[0]
    v2 = table(v2_scores(12_146), tmp_path, "navtest")
    assert "epdms_v2" in unlike(v2, other)[0]
    assert unlike(whole, published()["table_1"])

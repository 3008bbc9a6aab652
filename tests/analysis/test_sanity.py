"""Broken evaluations are noticed; working ones are left in peace."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from reworld_agent.analysis.tables.sanity import ERROR, WARNING, notices
from reworld_agent.analysis.tables.score_tables import read_table
from reworld_agent.pdm.metrics import Measurement, Metric, Rollouts, registry
from tests.analysis.tables import scores, with_footer, write


def found(tmp_path: Path, frame: pd.DataFrame) -> list[tuple[str, str]]:
    table = read_table(write(frame, tmp_path / "x.csv"))
    return [(notice.level, notice.text) for notice in notices(table)]


def test_a_working_table_has_no_sign(tmp_path: Path) -> None:
    assert found(tmp_path, with_footer(scores())) == []


def test_all_scenes_passing_is_no_error(tmp_path: Path) -> None:
    frame = scores()
    frame[frame.columns[2:]] = 1.0
    assert {level for level, _ in found(tmp_path, frame)} == {WARNING}


@pytest.mark.parametrize(
    ("column", "value", "level", "text"),
    [
        ("comfort", 0.0, ERROR, "0 in 40 of 40 scenes"),
        ("no_at_fault_collisions", 0.0, ERROR, "NC is 0 in all 40 scenes"),
        ("no_at_fault_collisions", 0.7, ERROR, "NC is not 0 or 0.5 or 1 in 40 scenes"),
        ("ego_progress", 1.2, ERROR, "EP is not between 0 and 1"),
        ("ego_progress", 1.0, WARNING, "it tells nothing apart"),
        ("ego_progress", float("nan"), ERROR, "EP is NaN in 40 scenes that have a score"),
        ("score", float("nan"), ERROR, "40 of 40 scenes have no score"),
        ("score", 0.5, ERROR, "the score is not what PDMS of NAVSIM v1 makes of the metrics"),
    ],
)
def test_each_sign(tmp_path: Path, column: str, value: float, level: str, text: str) -> None:
    signs = found(tmp_path, scores().assign(**{column: value}))
    assert any(own == level and text in sentence for own, sentence in signs)


def test_a_metric_of_ones_own_may_be_negative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_METRICS", "_PROTOCOLS"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    margin = Metric("margin", "MG", "margin", low=-2.0, bound=0.0, measure=_never_measured)
    registry.register(margin)
    frame = scores()
    frame["margin"] = [-1.5 + 0.01 * row for row in range(len(frame))]
    assert found(tmp_path, frame) == []
    frame["margin"] -= 1.0
    ((level, text),) = found(tmp_path, frame)
    assert level == ERROR and "MG is not between -2 and 1" in text and "low= and high=" in text


def _never_measured(rollouts: Rollouts) -> Measurement:
    raise AssertionError


def test_summary_row_that_is_not_the_mean(tmp_path: Path) -> None:
    frame = with_footer(scores())
    frame.loc[40, "score"] = frame["score"][40] + 0.1
    assert "the summary row gives score" in found(tmp_path, frame)[0][1]


def test_the_broken_table_of_other_people(shared_data: Path) -> None:
    folder = shared_data / "score_tables"
    signs = notices(read_table(folder / "human_replay_stock_reactive.csv"))
    assert signs[0].level == ERROR
    assert "HC is 0.0000: 0 in 12146 of 12146 scenes" in signs[0].text
    assert "human" in signs[0].text
    for name in ("human_replay", "diffusion_drive", "lead_release"):
        working = notices(read_table(folder / f"two_sided__{name}.csv"))
        assert [sign.level for sign in working] == [WARNING]  # EP is 1 everywhere
    for name in ("cv_agent_mini_excerpt37", "transfuser_navtest_10tokens"):
        assert notices(read_table(folder / f"{name}.csv")) == []

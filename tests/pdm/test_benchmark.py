"""The scorer's times beside the devkit's: medians, and ratios of the same scene."""

from __future__ import annotations

import pandas as pd
import pytest

from reworld_agent.benchmarks.scorer.measure import COUNTS, summary

TIMES = ["build", "load", *(f"score {n}" for n in COUNTS), "plain 64", "explain 64"]


def test_ratios_are_taken_scene_by_scene() -> None:
    ours = pd.DataFrame({"split": "toy", "token": ["a", "b", "c"], **dict.fromkeys(TIMES, 1.0)})
    ours["build"] = [1.0, 2.0, 4.0]
    devkit = pd.DataFrame({"split": "toy", "token": ["c", "a", "b"], "build": [40.0, 30.0, 40.0]})
    rows = summary(ours, devkit).set_index("what")
    names = ["ours_ms", "devkit_ms", "ratio", "ratio_low", "ratio_high"]
    assert [rows[name]["build"] for name in names] == [2.0, 40.0, 20.0, 10.0, 30.0]
    assert rows.drop(index="build")["ratio"].isna().all()
    assert "ratio" not in summary(ours, pd.DataFrame())
    assert rows.loc["load", "ours_ms"] == pytest.approx(1.0)

"""Texts in csv files: no formulas for a spreadsheet, and the same when they are read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from reworld_agent.core.result_tables import read_csv, write_csv

TEXTS = [
    *("=1+1", "+x", "-x", "@SUM(A1)", "\tx", "=cmd|' /C calc'!A0", "'=x", "''-x", "'", "'plain"),
    *("plain", "", "a,b", 'a"b', "a\nb", "-", "+"),
]


def test_texts_are_safe_and_read_back_equal(tmp_path: Path) -> None:
    frame = pd.DataFrame({"token": TEXTS, "score": np.linspace(-1.0, 1.0, len(TEXTS)), "=n": "x"})
    write_csv(tmp_path / "t.csv", frame)
    raw = pd.read_csv(tmp_path / "t.csv", keep_default_na=False)
    assert not raw["token"].str.match(r"[=+\-@\t\r]").any()
    assert list(raw) == ["token", "score", "'=n"] and raw["score"].tolist() == list(frame["score"])
    again = read_csv(tmp_path / "t.csv")
    again["token"] = again["token"].fillna("")
    pd.testing.assert_frame_equal(again, frame)


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": ["-1.5", "+2", "-3e-5", "x"], "b": [-1, 2, -3, 4], "c": [None] * 4})
    write_csv(tmp_path / "t.csv", frame)
    assert (tmp_path / "t.csv").read_text().splitlines()[1:] == [
        *("-1.5,-1,", "+2,2,", "-3e-5,-3,", "x,4,"),
    ]

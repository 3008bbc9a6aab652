"""What `reworld score` says of how sure its scores are."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent.analysis import compare_tables, read_table, state_intervals
from tests.analysis.tables import scores, with_footer, write

LOGS = 25


def run(folder: Path, seed: int, logs: int = LOGS) -> Path:
    """A run's table of 100 scenes, and the record that says of which log each is."""
    folder.mkdir()
    frame = scores(100, seed)
    write(with_footer(frame), folder / "pdm_scores.csv")
    names = [f"log_{number % logs}" for number in range(len(frame))]
    record = pd.DataFrame({"token": frame["token"], "log_name": names})
    record.to_parquet(folder / "inference.parquet")
    return folder


def numbers(line: str) -> list[float]:
    return [float(number) for number in re.findall(r"[+-]?\d\.\d{4}", line)]


def test_the_lines_are_what_compare_finds(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a", 1), run(tmp_path / "b", 2)
    own, difference = state_intervals(a, [("other", b)])
    assert own.startswith("PDMS ") and f"over {LOGS} logs)" in own
    mean, low, high = numbers(own)
    assert mean == pytest.approx(read_table(a).frame["score"].mean(), abs=5e-5)
    assert low < mean < high
    rows = compare_tables(read_table(a), read_table(b)).metrics.set_index("metric")
    wanted = [float(rows[column]["score"]) for column in ("difference", "low", "high")]
    assert difference.startswith("  minus other: ")
    assert numbers(difference) == pytest.approx(wanted, abs=5e-5)


def test_scenes_of_a_log_count_as_one_piece(tmp_path: Path) -> None:
    """The half-width of 95 % of a mean over clusters: 1.96 standard errors of their means."""
    a = run(tmp_path / "a", 3)
    (line,) = state_intervals(a, [])
    _, low, high = numbers(line)
    table = read_table(a)
    assert table.logs is not None
    means = table.frame["score"].groupby(table.logs).mean()
    error = float(means.std()) / np.sqrt(LOGS)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.15)


def test_few_logs_are_called_few_and_one_says_nothing(tmp_path: Path) -> None:
    (line,) = state_intervals(run(tmp_path / "few", 1, logs=4), [])
    assert "over 4 logs, too few to be sure of it" in line
    assert list(state_intervals(run(tmp_path / "one", 1, logs=1), [])) == []
    table = write(with_footer(scores()), tmp_path / "unknown.csv")
    assert list(state_intervals(table, [])) == []

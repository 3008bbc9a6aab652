"""Ranks of planners: the correlations, the settings, the tables, and planted habits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

from reworld_agent.baselines import HABITS, ConstantVelocityAgent, HabitAgent
from reworld_agent.baselines.habits import spoiled
from reworld_agent.benchmarks.ranks import RanksSettings, agreements, benchmark_ranks
from reworld_agent.benchmarks.ranks.run import commands
from reworld_agent.cli.main import main
from reworld_agent.core.errors import DataError, UsageError
from reworld_agent.core.guards.writers import writing_alone
from reworld_agent.scenes.synthetic.drive import SPLITS
from reworld_agent.training.chain import Command

STRAIGHT = np.stack([np.arange(1, 9) * 5.0, np.zeros(8), np.zeros(8)], axis=1)  # 10 m/s
THREE = "planners:\n  a: [agent=a]\n  b: [agent=b]\n  c: [agent=c, 'agent.x={trained}/w']\n"


def test_values_are_scipys_and_intervals_hold_them() -> None:
    generator = np.random.default_rng(0)
    first = generator.normal(size=(12, 1)) + 0.3 * generator.normal(size=(12, 30))
    second = first + 0.5 * generator.normal(size=(12, 30))
    found = agreements({"a": first, "b": second}, ["x"] * 15 + ["y"] * 15, resamples=300)
    known = {
        "spearman": spearmanr(first.mean(1), second.mean(1)).statistic,
        "kendall": kendalltau(first.mean(1), second.mean(1)).statistic,
    }
    assert [own.kind for own in found] == ["spearman", "kendall"]
    for own in found:
        assert own.value == pytest.approx(known[own.kind])
        assert own.low_planners <= own.low <= own.value <= own.high <= 1.0
    again = agreements({"a": first, "b": second}, ["x"] * 15 + ["y"] * 15, resamples=300)
    assert again == found


def test_the_interval_over_drives_covers_the_true_order() -> None:
    generator, inside = np.random.default_rng(1), 0
    truth = np.linspace(0.0, 1.0, 6)
    other = truth[[0, 2, 1, 3, 5, 4]]
    known = spearmanr(truth, other).statistic
    for _ in range(60):
        noise = generator.normal(scale=0.8, size=(2, 6, 40))
        pair = {"a": truth[:, None] + noise[0], "b": other[:, None] + noise[1]}
        own = agreements(pair, ["x"] * 40, resamples=200)[0]
        inside += own.low - 1e-9 <= known <= own.high + 1e-9
    assert inside >= 54  # of 60; 95 % are 57


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(DataError, match="2 planners"):
        agreements({"a": np.ones((2, 4)), "b": np.ones((2, 4))}, ["x"] * 4)
    with pytest.raises(DataError, match="not finite"):
        agreements({"a": np.full((3, 4), np.nan), "b": np.ones((3, 4))}, ["x"] * 4)
    with pytest.raises(DataError, match="for 5 drives"):
        agreements({"a": np.ones((3, 4)), "b": np.ones((3, 4))}, ["x"] * 5)
    flat = agreements({"a": np.ones((3, 4)), "b": np.ones((3, 4))}, ["x"] * 4, resamples=100)
    assert np.isnan(flat[0].value) and np.isnan(flat[0].low)


def _tables(command: Command) -> int:
    """What a score or a drive would leave; planner b is good once and bad in the loop."""
    words = dict(word.split("=", 1) for word in command.arguments if "=" in word)
    folder = Path(words["output_dir"])
    folder.mkdir(parents=True, exist_ok=True)
    level = {"a": 0.9, "b": 0.95, "c": 0.5}[words["agent"]]
    logs = [SPLITS["town6_test"].log_name(k) for k in range(3)]
    if command.command == "score":
        tokens = [f"{log}-{k}" for log in logs for k in range(2)]
        scores = {"token": tokens, "pdms_v1_score": level, "epdms_v2_score": level - 0.1}
        pd.DataFrame(scores).to_parquet(folder / "pdm_scores.parquet")
        known = {"token": tokens, "log_name": [log for log in logs for _ in range(2)]}
        pd.DataFrame(known).to_parquet(folder / "inference.parquet")
        return 0
    level = 0.1 if words["agent"] == "b" else level
    rows = {"scenario": [*"xyz", "average"], "log_name": [*logs, ""], "score": level}
    pd.DataFrame({**rows, "alpasim_score": level}).to_parquet(folder / "drive_scores.parquet")
    return 0


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RanksSettings:
    monkeypatch.setattr("reworld_agent.benchmarks.ranks.run.towns_of", lambda _, logs: list(logs))
    (tmp_path / "three.yaml").write_text(THREE)
    return RanksSettings(
        planners=tmp_path / "three.yaml",
        trained=tmp_path,
        scenarios=3,
        resamples=100,
        output_dir=tmp_path / "out",
    )


def test_every_planner_is_scored_and_driven_once(settings: RanksSettings) -> None:
    run: list[str] = []

    def note(command: Command) -> int:
        run.append(command.name)
        return _tables(command)

    found = benchmark_ranks(settings, note)
    assert run == [f"{name}.{kind}" for name in "abc" for kind in ("score", "drive")]
    assert list(found.planners["planner"]) == ["a", "c", "b"]
    assert list(found.planners["PDMS rank"]) == [2, 3, 1]
    pair = next(o for o in found.agreements if (o.first, o.second) == ("PDMS", "drive score"))
    assert pair.value == pytest.approx(-0.5) and "3 planners, 3 drives" in found.text()
    assert benchmark_ranks(settings, note).text() == found.text() and len(run) == 6
    ranks = pd.read_csv(settings.output_dir / "ranks.csv")
    assert len(ranks) == 12 and set(ranks["kind"]) == {"spearman", "kendall"}
    words = next(c for c in commands(settings) if c.name == "c.drive").arguments
    assert f"agent.x={settings.trained}/w" in words and "scenarios=3" in words


def test_a_second_writer_is_refused(
    settings: RanksSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    with writing_alone(settings):
        words = ["benchmark", "ranks", f"output_dir={settings.output_dir}"]
        done = subprocess.run(
            [sys.executable, "-m", "reworld_agent.cli.main", *words], capture_output=True, text=True
        )
    assert done.returncode == 1 and "being written by another process" in done.stderr


def test_bad_files_of_planners_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.yaml"
    for text, said in (
        ("planners: [a]", "no table"),
        ("planners: {a: agent=a}", "a is no list"),
        ("planners: {a: [agent=a], b: [agent=b]}", "2 planners cannot be ranked"),
        (THREE, "c needs {trained}"),
        ("planners: {'../a': [agent=a]}", "no list of arguments"),
        ("a: [", "cannot be read"),
        ("planners: {a: [agent=a]}\nshipped: 1", "no more"),
        ("planners: {a: [agent=a]}\nbase: true", "no more"),
        ("planners: {slow: [agent=a]}\nshipped: true", "slow is a shipped planner too"),
    ):
        file.write_text(text)
        assert main(["benchmark", "ranks", f"planners={file}", f"output_dir={tmp_path / 'o'}"]) == 2
        assert said in capsys.readouterr().err and not (tmp_path / "o").exists()
    shipped = RanksSettings().chosen
    file.write_text("planners: {a: [agent=a]}\nshipped: true")
    assert RanksSettings(planners=file).chosen == {**shipped, "a": ("agent=a",)}
    assert len(shipped) >= 12


@pytest.mark.parametrize("habit", HABITS)
def test_a_habit_spoils_a_plan_in_its_own_way(habit: str) -> None:
    times = 0.5 * np.arange(1, 9)
    found = spoiled(STRAIGHT, 0.5, 10.0, habit)
    ahead = {
        "hurried": 13.0 * times,
        "slow": 6.0 * times,
        "late_braking": 10.0 * times,
        "hesitant": 10.0 * np.maximum(times - 1.0, 0.0),
    }.get(habit, 10.0 * times)
    aside = {"drifting": 0.2 * times, "swerving": 0.4 * np.sin(np.pi * times)}.get(habit, 0 * times)
    np.testing.assert_allclose(found[:, 0], ahead, atol=1e-12)
    np.testing.assert_allclose(found[:, 1], aside, atol=1e-12)


def test_late_braking_keeps_the_speed_for_a_second() -> None:
    stops = np.zeros((8, 3))
    stops[:, 0] = [2.0, 3.0, 3.5, *[3.6] * 5]
    found = spoiled(stops, 0.5, 10.0, "late_braking")
    np.testing.assert_allclose(found[:, 0], [5.0, *[10.0] * 7])


def test_an_agent_with_a_habit_is_the_agent_that_it_spoils() -> None:
    agent = HabitAgent(ConstantVelocityAgent(), "slow")
    agent.initialize()
    assert agent.name() == "ConstantVelocityAgent_slow" and not agent.requires_scene
    assert not any(vars(agent.get_sensor_config()).values())
    with pytest.raises(UsageError, match="no habit"):
        HabitAgent(ConstantVelocityAgent(), "sloww")

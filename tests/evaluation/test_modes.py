"""Plans of several modes: the file that carries them, the best of them, the printed columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent import pdm
from reworld_agent.baselines import ConstantVelocityAgent
from reworld_agent.compat import Trajectory, TrajectorySampling, make_modes
from reworld_agent.core.errors import DataError
from reworld_agent.core.shards import PartStore
from reworld_agent.evaluation import run as evaluation_run
from reworld_agent.evaluation.inference import plan_split
from reworld_agent.evaluation.modes import best_of, means, modes_row, score_modes
from reworld_agent.pdm import SceneCache
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split
from tests.evaluation.fakes import FakeScorer
from tests.evaluation.test_run import _config, run
from tests.pdm.straight_road import scene

WALL = {"wall": ("vehicle", 20.0, 0.0, 0.0, 0.0)}
SPEEDS = (8.0, 0.5, 4.0, 2.0, 1.0, 3.0)


def modes(count: int = len(SPEEDS)) -> np.ndarray:
    """Straight ahead at several speeds, [K, 8, 3]."""
    poses = np.zeros((count, 8, 3))
    poses[:, :, 0] = np.array(SPEEDS[:count])[:, None] * np.arange(1, 9) * 0.5
    return poses


class ModalAgent(ConstantVelocityAgent):
    """Rates the fastest plan highest; every other scene has one plan less."""

    asked = 0

    def name(self) -> str:
        """`modal`."""
        return "modal"

    def compute_trajectory(self, agent_input: Any) -> Trajectory:
        """The fastest of its plans."""
        self.asked += 1
        count = len(SPEEDS) - self.asked % 2
        sampling = TrajectorySampling(num_poses=8, interval_length=0.5)
        return make_modes(modes(count), np.arange(count, 0, -1) / count, sampling)


def worlds(tokens: Iterable[str]) -> dict[str, SceneCache]:
    """A wall ahead in each scene: only who creeps scores."""
    return {token: replace(scene(WALL), token=token) for token in tokens}


def test_the_best_plan_is_what_any_host_sees() -> None:
    sampling = TrajectorySampling(num_poses=8, interval_length=0.5)
    plan = make_modes(modes(), [0.1, 0.9, 0.2, 0.3, 0.0, 0.4], sampling)
    assert isinstance(plan, Trajectory)
    np.testing.assert_array_equal(plan.poses, modes()[1])
    assert modes_row(Trajectory(modes()[0]), 8) == {}
    row = modes_row(plan, 8)
    assert len(row["modes"]) == 6 * 24 and row["mode_scores"][1] == 0.9


@pytest.mark.parametrize(
    ("given", "scores", "said"),
    [
        (modes()[:, :7], [1.0] * 6, r"modes have shape \[6, 7, 3\], the plan has \[K, 8, 3\]"),
        (modes(), [1.0] * 5, r"6 modes have mode_scores of shape \[5\]"),
        (modes() * np.nan, [1.0] * 6, "not finite"),
        (modes(), None, "mode_scores"),
        (None, [1.0], "modes"),
        ("fast", [1.0], "no arrays of numbers"),
    ],
)
def test_modes_that_cannot_be_are_named(given: Any, scores: Any, said: str) -> None:
    plan = Trajectory(modes()[0])
    vars(plan).update(modes=given, mode_scores=scores)
    with pytest.raises(DataError, match=said):
        modes_row(plan, 8)


def test_every_mode_is_scored_as_it_would_be_alone(small_split: Path, tmp_path: Path) -> None:
    loader = resolve_split("small").loader(SceneFilter(frame_interval=1))
    store = PartStore(tmp_path / "parts", ("token",), {})
    plan_split(ModalAgent(), loader, tmp_path, store, {})
    planned = pd.read_parquet(tmp_path / "trajectories.parquet")
    assert planned.columns.tolist() == ["token", "poses", "modes", "mode_scores"]
    assert set(planned["mode_scores"].map(len)) == {5, 6}
    caches = worlds(planned["token"])
    found = score_modes(planned, caches, "pdms_v1")
    assert len(found) == planned["mode_scores"].map(len).sum()
    expected = pdm.score(scene(WALL), modes())["score"]
    for _, row in found.iterrows():
        assert row["score"] == expected[row["mode"]]
    best = best_of(found, "pdms_v1").set_index("token")
    counts = planned.set_index("token")["mode_scores"].map(len)
    for token, row in best.iterrows():
        own = expected[: counts[str(token)]]
        assert row["oracle_score"] == own.max()
        assert row["oracle_mode_score"] == np.argmax(own)
        assert row["top_3_score"] == own[:3].max()
    whole = means(best.reset_index())
    assert whole["oracle_score"] == pytest.approx(best["oracle_score"].mean())


def test_the_table_has_chosen_oracle_and_top(
    small_split: Path,
    scorer: FakeScorer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def with_worlds(planned: pd.DataFrame, caches: Any, *how: Any) -> pd.DataFrame:
        return score_modes(planned, worlds(planned["token"]), *how)

    monkeypatch.setattr(evaluation_run, "score_modes", with_worlds)
    agent = "tests.evaluation.test_modes.ModalAgent"
    assert run(_config(tmp_path / "out", agent, beside=["constant_velocity"])) == 0
    printed = capsys.readouterr().out.splitlines()
    heads = next(line for line in printed if line.startswith("agent")).split()
    assert heads[-4:] == ["oracle", "top_3", "top_5", "scenes"]
    ours = next(line for line in printed if line.startswith("ModalAgent")).split()
    other = next(line for line in printed if line.startswith("constant_velocity")).split()
    assert len(ours) == len(heads) and len(other) == len(heads) - 3
    table = pd.read_csv(tmp_path / "out" / "modes.csv")
    assert float(ours[-4]) == pytest.approx(table["oracle_score"].mean(), abs=1e-4)
    assert len(pd.read_parquet(tmp_path / "out" / "mode_scores.parquet")) > 14
    official = pd.read_csv(tmp_path / "out" / "pdm_scores.csv")
    alone = pd.read_csv(tmp_path / "out" / "constant_velocity" / "pdm_scores.csv")
    assert official.columns.tolist() == alone.columns.tolist()
    assert not (tmp_path / "out" / "constant_velocity" / "modes.csv").exists()

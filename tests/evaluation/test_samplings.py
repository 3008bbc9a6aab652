"""Plans that are not 8 poses at 2 Hz: their interval goes with them, and is never guessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent.baselines import ConstantVelocityAgent
from reworld_agent.compat import TrajectorySampling
from reworld_agent.core.errors import DataError
from reworld_agent.core.shards import PartStore
from reworld_agent.evaluation import ScoreFileSettings, score_file
from reworld_agent.evaluation.file_scores import read_trajectories
from reworld_agent.evaluation.inference import plan_split
from reworld_agent.pdm.poses import interval_of, pose_fault
from reworld_agent.pdm.simulate.sampling import knot_times_us
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.scenes.synthetic import ensure_split

ANSWERS = Path(__file__).parents[1] / "pdm" / "devkit_answers" / "samplings"
TOKEN = "bbf5ea41960f9f19"


@pytest.fixture
def loader(small_split: Path) -> SceneLoader:
    return resolve_split("small").loader(SceneFilter(frame_interval=1))


def _planned(loader: SceneLoader, folder: Path, horizon_s: float, interval_s: float) -> list[str]:
    agent = ConstantVelocityAgent(horizon_s, interval_s)
    plan_split(agent, loader, folder, PartStore(folder / "parts", ("token",), {}), {})
    return pd.read_parquet(folder / "trajectories.parquet").columns.tolist()


def test_the_table_of_plans_says_how_they_are_sampled(loader: SceneLoader, tmp_path: Path) -> None:
    assert _planned(loader, tmp_path / "10", 4.0, 0.1) == ["token", "poses"]
    assert _planned(loader, tmp_path / "4", 2.0, 0.25) == ["token", "poses", "interval_s"]
    saved = pd.read_parquet(tmp_path / "4" / "trajectories.parquet")
    assert set(saved["interval_s"]) == {0.25} and set(saved["poses"].map(len)) == {24}


def test_a_sampling_is_what_nuplan_makes_of_it() -> None:
    assert TrajectorySampling(time_horizon=4, interval_length=0.1).num_poses == 40
    assert TrajectorySampling(time_horizon=0.6, interval_length=0.2).num_poses == 2  # truncated
    assert TrajectorySampling(num_poses=20, interval_length=0.2).time_horizon == 4.0
    with pytest.raises(ValueError, match="multiple"):
        TrajectorySampling(time_horizon=4, interval_length=0.3)


def _settings(folder: Path, rows: pd.DataFrame, interval_s: float | None = None) -> Path:
    rows.to_parquet(folder / "in.parquet")
    roots = ensure_split("town_test", cameras=())
    found = score_file(
        ScoreFileSettings(
            trajectories=folder / "in.parquet",
            interval_s=interval_s,
            data_root=roots.data_root,
            maps_root=roots.maps_root,
            data_split="town_test",
            output=folder / "out.parquet",
            cache_dir=folder / "caches",
            worker="sequential",
        )
    )
    assert found.rows["valid"].all(), found.rows["reason"].tolist()
    return folder / "out.parquet"


def test_a_file_of_seven_samplings_scores_as_in_the_devkit(tmp_path: Path) -> None:
    rows = pd.read_parquet(ANSWERS / "trajectories.parquet")
    rows = rows[rows["token"] == TOKEN].drop(columns="split")
    theirs = pd.read_parquet(ANSWERS / "pdms_v1.parquet").set_index(["token", "candidate"])
    ours = pd.read_parquet(_settings(tmp_path, rows)).set_index(["token", "candidate"])
    np.testing.assert_allclose(ours["score"], theirs["score"].loc[ours.index], rtol=0, atol=1e-9)
    quick = rows[rows["interval_s"] == 0.25].drop(columns="interval_s")
    ours = pd.read_parquet(_settings(tmp_path, quick, 0.25)).set_index(["token", "candidate"])
    np.testing.assert_allclose(ours["score"], theirs["score"].loc[ours.index], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("columns", "interval_s", "message"),
    [
        ({"interval_s": [0.5]}, 0.25, "has a column interval_s, and interval_s=0.25 is given"),
        ({"interval_s": ["2 Hz"]}, None, "column interval_s does not hold numbers"),
        ({"token": [1234567890123456]}, None, r"row 0 is 1234567890123456 \(int\), no text"),
        ({"token": [None]}, None, "row 0 is None"),
    ],
)
def test_what_is_declared_twice_or_otherwise_is_refused(
    tmp_path: Path, columns: dict[str, list], interval_s: float | None, message: str
) -> None:
    rows = pd.DataFrame({"token": ["a"], "poses": [np.zeros(24)], **columns})
    rows.to_parquet(tmp_path / "in.parquet")
    with pytest.raises(DataError, match=message):
        read_trajectories(tmp_path / "in.parquet", interval_s)


def test_neither_times_nor_layout_are_guessed(tmp_path: Path) -> None:
    plans = [np.zeros((8, 3)), np.zeros((3, 8)), np.zeros(60)]
    poses = [plan.tolist() for plan in plans[:2]]
    pd.DataFrame({"token": ["a", "b"], "poses": poses}).to_parquet(tmp_path / "in.parquet")
    right, turned = read_trajectories(tmp_path / "in.parquet")["poses"]
    assert pose_fault(right) is None
    assert pose_fault(turned) == "poses have shape [3, 8], not [L, 3] (x, y, heading)"
    assert "interval_s is not given" in (pose_fault(plans[2]) or "")
    assert pose_fault(plans[2], 0.2) is None
    for bad in (0.0, -0.5, np.inf, np.nan, 1e15):
        assert "is no time between poses" in (pose_fault(plans[2], bad) or "")
    with pytest.raises(DataError, match="is no number"):
        interval_of(8, "2 Hz")  # type: ignore[arg-type]
    for value in ("0.5", True, [0.5], 0.5 + 0j):  # NumPy and Python would read some as a number
        with pytest.raises(DataError, match="is no number"):
            interval_of(8, value)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="have no times of their own"):
        knot_times_us(0, 8, 1e-7)

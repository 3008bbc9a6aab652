"""Whole runs over reference data against what the stock devkit v1.1 says, scene by scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.test_run import _config, run

COLUMNS = {
    "no_at_fault_collisions": "NC",
    "drivable_area_compliance": "DAC",
    "ego_progress": "EP",
    "time_to_collision_within_bound": "TTC",
    "driving_direction_compliance": "DDC",
    "score": "score",
}
HUMAN = "reworld_agent.baselines.HumanAgent"


def _run(
    monkeypatch: pytest.MonkeyPatch, root: Path, split: str, interval: int, out: Path
) -> dict[str, pd.DataFrame]:
    """Score tables of human and constant_velocity by agent."""
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(root))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(root / "maps"))
    config = _config(out, HUMAN, beside=["constant_velocity"])
    config.train_test_split.data_split = split
    config.train_test_split.scene_filter.frame_interval = interval
    assert run(config) == 0
    folders = {"human": out, "const_vel": out / "constant_velocity"}
    return {kind: pd.read_parquet(f / "pdm_scores.parquet") for kind, f in folders.items()}


def _compare(table: pd.DataFrame, reference: pd.DataFrame, kind: str) -> None:
    kinds = "kind" if "kind" in reference else "candidate"
    rows = reference[reference[kinds] == kind].set_index("token")
    ours = table.iloc[:-1].set_index("token")
    assert set(ours.index) <= set(rows.index)
    rows = rows.loc[ours.index]
    comfort = "C" if "C" in rows else "comfort"
    for column, name in {**COLUMNS, "comfort": comfort}.items():
        np.testing.assert_allclose(ours[column], rows[name], atol=1e-6, err_msg=f"{kind} {column}")


def test_the_stock_devkits_scores_on_its_reference(
    devkit_reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = _run(monkeypatch, devkit_reference, "toy", 3, tmp_path / "out")
    reference = pd.read_parquet(devkit_reference / "pdm_v11.parquet")
    for kind, table in tables.items():
        assert len(table) == 41
        _compare(table, reference, kind)
    assert f"{tables['human']['score'].iloc[-1]:.4f}" == "0.8420"
    assert f"{tables['const_vel']['score'].iloc[-1]:.4f}" == "0.6234"


@pytest.mark.parametrize(
    ("split", "interval", "scenes", "human"),
    [("av2", 1, 38, "0.842197"), ("nuscenes", 3, 45, "0.836019")],
)
def test_the_stock_devkits_scores_on_real_roads(
    real_reference: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    split: str,
    interval: int,
    scenes: int,
    human: str,
) -> None:
    tables = _run(monkeypatch, real_reference, split, interval, tmp_path / "out")
    reference = pd.read_parquet(real_reference / "pdm_v11.parquet")
    for kind, table in tables.items():
        _compare(table, reference, kind)
    assert len(tables["human"]) == scenes + 1
    assert f"{tables['human']['score'].iloc[-1]:.6f}" == human

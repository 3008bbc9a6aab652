"""Every row that the stock devkit v1.1 scored, from logs and maps alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent import pdm
from reworld_agent.pdm.simulate.sampling import knot_times_us, reference_poses, sample_times_us
from reworld_agent.pdm.simulate.tracker import simulate

EQUAL = {
    "NC": "no_at_fault_collisions",
    "DAC": "drivable_area_compliance",
    "TTC": "time_to_collision_within_bound",
    "comfort": "comfort",
    "DDC": "driving_direction_compliance",
}
CLOSE = {
    "EP": "ego_progress",
    "score": "score",
    "progress_raw": "progress_m",
    "progress_raw_pdm": "pdm_closed_progress_m",
}
TIMES = {
    "collision_time_idx": "no_at_fault_collisions_failure_time_s",
    "ttc_time_idx": "time_to_collision_within_bound_failure_time_s",
}


def _check(root: Path, split: str, table: pd.DataFrame) -> None:
    states = np.load(root / "pdm_v11_states.npz")
    for token, rows in table.groupby("token", sort=False):
        rows = rows.sort_values("cand")
        cache = pdm.build_scene_cache(root, root / "maps", split, str(token))
        poses = np.stack(list(rows["poses"])).reshape(len(rows), 8, 3)
        result = pdm.score(cache, poses, explain=True)
        for theirs, ours in EQUAL.items():
            np.testing.assert_array_equal(result[ours], rows[theirs], err_msg=f"{token} {ours}")
        for theirs, ours in CLOSE.items():
            np.testing.assert_allclose(
                result[ours], rows[theirs], rtol=0, atol=1e-6, err_msg=f"{token} {ours}"
            )
        for theirs, ours in TIMES.items():
            step = np.where(np.isnan(result[ours]), np.inf, np.round(result[ours] * 10))
            np.testing.assert_array_equal(step, rows[theirs], err_msg=f"{token} {ours}")
        driven = simulate(
            np.array(cache.ego_state),
            reference_poses(
                np.array(cache.ego_state),
                poses,
                knot_times_us(cache.time_us, 8),
                sample_times_us(cache.time_us),
            ),
        )
        apart = driven - states[str(token)]
        apart[..., 2] = np.angle(np.exp(1j * apart[..., 2]))
        assert np.abs(apart).max() < 1e-6, token


def test_synthetic_reference(devkit_reference: Path) -> None:
    table = pd.read_parquet(devkit_reference / "pdm_v11.parquet").rename(columns={"C": "comfort"})
    assert len(table) == 2560
    _check(devkit_reference, "toy", table)


@pytest.mark.parametrize("split", ["av2", "nuscenes"])
def test_real_reference(real_reference: Path, split: str) -> None:
    table = pd.read_parquet(real_reference / "pdm_v11.parquet")
    _check(real_reference, split, table[table["split"] == split])

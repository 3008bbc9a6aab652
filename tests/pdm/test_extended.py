"""EPDMS's own metrics and PDM-Closed of v2.2 against every row of the stock devkit's tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent.pdm.cache_io.build import build_scene_cache
from reworld_agent.pdm.metrics.raw_columns import by_name
from reworld_agent.pdm.metrics.ttc import LAST_STEP_V2
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.scorer.common import score_states
from reworld_agent.pdm.scorer.extended import extended_metrics
from reworld_agent.pdm.simulate.sampling import knot_times_us, reference_poses, sample_times_us
from reworld_agent.pdm.simulate.tracker import simulate
from reworld_agent.pdm.world.red_lights import make_red_lights
from reworld_agent.pdm.world.scenery import make_scenery

COLUMNS = {"TLC": "tlc", "LK": "lk", "DDC": "ddc_off_junctions"}


def drive(cache: SceneCache, poses: np.ndarray) -> np.ndarray:
    """States of planned poses [N, 8, 3] (ego frame) and, last, of PDM-Closed v2.2."""
    knots, samples = knot_times_us(cache.time_us, 8), sample_times_us(cache.time_us)
    planned = reference_poses(cache.ego_state, poses, knots, samples)
    return simulate(cache.ego_state, np.concatenate([planned, cache.pdm_closed_poses_v2[None]]))


def compare(root: Path, split: str, table: pd.DataFrame) -> None:
    for token, rows in table.groupby("token"):
        cache = build_scene_cache(root, root / "maps", split, str(token))
        poses = np.stack(rows["poses"].to_list()).reshape(-1, 8, 3)
        states, scenery = drive(cache, poses), make_scenery(cache)
        rows_found = score_states(states, scenery, LAST_STEP_V2)
        extended_metrics(states, scenery, make_red_lights(cache, scenery.origin), rows_found)
        raw = by_name(rows_found)
        for name, column in COLUMNS.items():
            np.testing.assert_array_equal(raw[column][:-1], rows[name], f"{token} {name}")
        np.testing.assert_array_equal(raw["dac"][:-1], rows["DAC"])
        np.testing.assert_allclose(raw["progress"][:-1], rows["progress_raw"], atol=1e-6)
        np.testing.assert_allclose(raw["progress"][-1], rows["progress_raw_pdm"], atol=1e-6)


def test_synthetic_rows_equal_the_devkit(devkit_reference: Path) -> None:
    table = pd.read_parquet(devkit_reference / "epdms_v22.parquet")
    assert {0.0, 1.0} == set(table["TLC"]) == set(table["LK"])
    compare(devkit_reference, "toy", table)


@pytest.mark.parametrize("split", ["av2", "nuscenes"])
def test_real_rows_equal_the_devkit(real_reference: Path, split: str) -> None:
    table = pd.read_parquet(real_reference / "epdms_v22.parquet")
    compare(real_reference, split, table[table["split"] == split])

"""EPDMS of v2.2: every row of the stock devkit's tables, and the comfort between two frames."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent import pdm
from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.metrics.table import EPDMS_V2
from reworld_agent.pdm.metrics.two_frame_comfort import two_frame_comfort
from reworld_agent.pdm.protocols.two_frames import score_two_frames
from reworld_agent.pdm.simulate.bicycle import AX, HEADING
from tests.pdm.straight_road import scene, straight

METRICS = {
    "NC": "no_at_fault_collisions",
    "DAC": "drivable_area_compliance",
    "DDC": "driving_direction_compliance",
    "TLC": "traffic_light_compliance",
    "TTC": "time_to_collision_within_bound",
    "LK": "lane_keeping",
    "HC": "history_comfort",
}


def _check(root: Path, split: str, table: pd.DataFrame) -> None:
    for token, rows in table.groupby("token", sort=False):
        cache = pdm.build_scene_cache(root, root / "maps", split, str(token))
        poses = np.stack(list(rows["poses"])).reshape(len(rows), 8, 3)
        result = pdm.score(cache, poses, protocol="epdms_v2", explain=True)
        for theirs, ours in METRICS.items():
            np.testing.assert_array_equal(result[f"{ours}_unfiltered"], rows[theirs], ours)
            np.testing.assert_array_equal(result[ours], rows[f"{theirs}_filt"], ours)
        close = {
            "ego_progress_unfiltered": rows["EP"],
            "ego_progress": rows["EP_filt"],
            "pdm_score": rows["pdm_score"],
            "progress_m": rows["progress_raw"],
            "pdm_closed_progress_m": rows["progress_raw_pdm"],
        }
        for ours, column in close.items():
            np.testing.assert_allclose(result[ours], column, rtol=0, atol=1e-6, err_msg=ours)
        for ours in ("traffic_light_compliance", "lane_keeping", "history_comfort"):
            fails = result[f"{ours}_unfiltered"] == 0.0
            np.testing.assert_array_equal(~np.isnan(result[f"{ours}_failure_time_s"]), fails)
        product = np.prod([rows[f"{m}_filt"] for m in ("NC", "DAC", "DDC", "TLC")], axis=0)
        weighted = 5 * rows["EP_filt"] + 5 * rows["TTC_filt"]
        weighted = weighted + 2 * rows["LK_filt"] + 2 * rows["HC_filt"]
        np.testing.assert_allclose(result["score"], product * weighted / 14.0, atol=1e-6)


def test_synthetic_reference(devkit_reference: Path) -> None:
    table = pd.read_parquet(devkit_reference / "epdms_v22.parquet")
    assert len(table) == 2560
    _check(devkit_reference, "toy", table)


@pytest.mark.parametrize("split", ["av2", "nuscenes"])
def test_real_reference(real_reference: Path, split: str) -> None:
    table = pd.read_parquet(real_reference / "epdms_v22.parquet")
    _check(real_reference, split, table[table["split"] == split])


def test_a_cache_without_the_past_is_refused() -> None:
    with pytest.raises(SceneError, match=r"PDM-Closed v2\.2"):
        pdm.score(scene(), straight(8.0), protocol="epdms_v2")


def test_two_plans_that_agree_and_two_that_do_not() -> None:
    states = np.zeros((2, 41, 11))
    states[:, :, HEADING] = np.linspace(3.0, 3.5, 41)  # through π
    states[:, :, HEADING] = np.angle(np.exp(1j * states[:, :, HEADING]))
    states[:, :, AX] = np.sin(np.arange(41) / 10.0)
    later = np.roll(states, -5, axis=1)
    np.testing.assert_array_equal(two_frame_comfort(later, states, 0.5), [1.0, 1.0])
    later[1, :, AX] += 2.0
    np.testing.assert_array_equal(two_frame_comfort(later, states, 0.5), [1.0, 0.0])


def test_the_score_of_two_frames() -> None:
    names = (*METRICS.values(), "ego_progress")
    ones = {name: np.ones(2) for name in names}
    np.testing.assert_allclose(EPDMS_V2.score(ones), 1.0)
    ones["two_frame_extended_comfort"] = np.array([1.0, 0.0])
    np.testing.assert_allclose(EPDMS_V2.score(ones), [1.0, 14.0 / 16.0])


def test_plans_of_consecutive_frames(devkit_reference: Path) -> None:
    table = pd.read_parquet(devkit_reference / "epdms_v22.parquet")
    rows = table[table["token"] == table["token"].iloc[0]].sort_values("cand")
    poses = np.stack(list(rows["poses"])).reshape(len(rows), 8, 3)
    root = devkit_reference
    now = pdm.build_scene_cache(root, root / "maps", "toy", rows["token"].iloc[0])
    with pytest.raises(SceneError, match=r"0\.00 s apart"):
        score_two_frames(now, poses, now, poses)
    before = dataclasses.replace(now, time_us=now.time_us - 500_000)
    result = score_two_frames(now, poses, before, poses)
    assert set(result["two_frame_extended_comfort"]) <= {0.0, 1.0}
    full = (14.0 * pdm.score(now, poses, "epdms_v2")["score"]) / 16.0
    bonus = result["score"] - full
    product = np.prod([rows[f"{m}_filt"] for m in ("NC", "DAC", "DDC", "TLC")], axis=0)
    np.testing.assert_allclose(bonus, product * result["two_frame_extended_comfort"] / 8.0)

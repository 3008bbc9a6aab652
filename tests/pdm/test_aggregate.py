"""One-stage and two-stage EPDMS: the stock devkit's numbers for the same random tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent import pdm
from reworld_agent.core.errors import DataError
from reworld_agent.pdm.metrics.table import EC
from reworld_agent.pdm.plan_rows import plan_row
from reworld_agent.pdm.protocols.aggregate import (
    COLUMNS,
    Group,
    closeness,
    one_stage,
    read_groups,
    two_stages,
)
from tests.pdm.random_frames import one_stage_frames, two_stage_frames

EXACT: dict[str, Any] = {"rtol": 0, "atol": 1e-12}


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        Path(__file__).with_name("golden_aggregate.json").read_text()
    )
    assert found["columns"] == list(COLUMNS)
    return found


def test_two_stages_are_the_devkits(golden: dict[str, Any]) -> None:
    rows, mapping = two_stage_frames()
    expected, groups = golden["two_stage"], read_groups(mapping)
    result = two_stages(rows, groups)
    frames = result.frames.set_index("token")[["weight", *COLUMNS]]
    assert set(frames.index) == set(expected["frames"]) == set(rows["token"])
    for token, numbers in expected["frames"].items():
        np.testing.assert_allclose(frames.loc[token], numbers, **EXACT, err_msg=token)
    np.testing.assert_allclose(result.groups[list(COLUMNS)], expected["groups"], **EXACT)
    assert result.groups["now"].tolist() == [group.now for group in groups]
    for name, numbers in expected["summary"].items():
        np.testing.assert_allclose(result.summary.loc[name], numbers, **EXACT, err_msg=name)
    assert frames[EC.name].nunique() == 2
    assert result.summary["score"].between(0.05, 0.95).all()
    far = result.frames[(result.frames["group"] == "now3") & (result.frames["stage"] == 2)]
    np.testing.assert_array_equal(far.loc[far["token"].str.startswith("now"), "weight"], 0.25)


def test_one_stage_is_the_devkits(golden: dict[str, Any]) -> None:
    rows = one_stage_frames()
    frames, means = one_stage(rows)
    assert frames["token"].tolist() == rows["token"].tolist()
    expected = golden["one_stage"]
    for token, numbers in expected["frames"].items():
        ours = frames.set_index("token").loc[token, list(COLUMNS)].astype(float)
        np.testing.assert_allclose(ours, np.array(numbers, float), **EXACT, err_msg=token)
    np.testing.assert_allclose(means, expected["mean"], **EXACT)
    assert frames[EC.name].isna().any() and frames[EC.name].nunique() == 2


def test_a_group_is_a_product_and_not_a_mean_of_scores() -> None:
    rows, mapping = two_stage_frames()
    only = read_groups(mapping[:1])
    result = two_stages(rows, only)
    frames = result.frames.set_index("token")["score"]
    halves = [frames[a] * frames[b] for a, b in (("now0", "now0_0"), ("before0", "before0_0"))]
    np.testing.assert_allclose(result.groups["score"], np.mean(halves), **EXACT)
    assert len(result.frames) == 4


def test_weights() -> None:
    first = pd.DataFrame({"endpoint_x": [5.0], "endpoint_y": [1.0]})
    others = pd.DataFrame({"start_point_x": [5.0, 5.0], "start_point_y": [1.0, 1.4]})
    ratio = np.exp(-(0.4**2) / 0.2)
    np.testing.assert_allclose(closeness(first, others), [1 / (1 + ratio), ratio / (1 + ratio)])
    np.testing.assert_array_equal(closeness(first + 50.0, others), [0.5, 0.5])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (["a", "b"], "is not"),
        (["a", "b", []], "no synthetic"),
        (["a", "b", [["c", "d"], ["c", "e"]]], "token c is twice"),
        (["a", "b", [["c"]]], "is not"),
    ],
)
def test_mappings_that_cannot_be_read(entry: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_groups([entry])


def test_tables_that_cannot_be_aggregated() -> None:
    rows, mapping = two_stage_frames()
    groups = read_groups(mapping)
    with pytest.raises(DataError, match="1 frames of the mapping are not in the table, first now1"):
        two_stages(rows[rows["token"] != "now1_0"], groups)
    with pytest.raises(DataError, match="no frame of the mapping"):
        two_stages(rows, [Group("x", "y", (("z", "w"),))])
    with pytest.raises(DataError, match="no column lane_keeping"):
        one_stage(rows.drop(columns="lane_keeping"))
    with pytest.raises(DataError, match="is there twice"):
        one_stage(pd.concat([rows, rows.iloc[:1]]))
    with pytest.raises(DataError, match="1 frames have no scores"):
        one_stage(rows.assign(ego_progress=rows["ego_progress"].where(rows.index > 0)))
    apart = rows["start_time_s"].where(rows["token"] != "before0", 0.0)
    with pytest.raises(DataError, match="frames before0 and now0 are"):
        two_stages(rows.assign(start_time_s=apart), groups)
    with pytest.raises(DataError, match="no rows"):
        one_stage(rows.iloc[:0])


def test_the_row_of_a_plan(devkit_reference: Path) -> None:
    table = pd.read_parquet(devkit_reference / "epdms_v22.parquet")
    row = table.iloc[0]
    cache = pdm.build_scene_cache(
        devkit_reference, devkit_reference / "maps", "toy", str(row["token"])
    )
    poses = np.asarray(row["poses"]).reshape(8, 3)
    plan = plan_row(cache, poses)
    scores = pdm.score(cache, poses[None], "epdms_v2")
    frames, _ = one_stage(pd.DataFrame([plan]))
    assert np.isnan(frames[EC.name].iloc[0]) and frames["score"].iloc[0] == scores["score"][0]
    moved = np.hypot(
        plan["endpoint_x"] - plan["start_point_x"], plan["endpoint_y"] - plan["start_point_y"]
    )
    np.testing.assert_allclose(moved, np.hypot(*poses[-1, :2]), atol=1e-6)
    assert plan["states"].shape == (41, 11)

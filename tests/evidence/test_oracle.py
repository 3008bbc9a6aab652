"""The planner with a perfect eye: its tokens by hand, its command."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent.benchmarks.evidence.oracle_states import AHEAD, NEAREST, TOKENS, oracle_states
from reworld_agent.cli.main import main
from reworld_agent.pdm.scene_cache import SceneCache
from tests.pdm.straight_road import Box, moved, rectangle, scene

BOXES: dict[str, Box] = {
    "far lead": ("vehicle", 40.0, 0.2, 0.0, 3.0),
    "lead": ("vehicle", 24.0, -0.5, 0.0, 5.0),
    "behind": ("vehicle", -9.0, 0.0, 0.0, 8.0),
    "oncoming": ("vehicle", 12.0, 3.5, np.pi, 7.0),
}


def lit(cache: SceneCache, first: float) -> SceneCache:
    """The scene with a red connector from `first` m ahead on."""
    ring = moved(rectangle(first, -1.75, first + 20.0, 1.75), tuple(cache.ego_state[:3]))
    return dataclasses.replace(
        cache,
        light_id=np.array(["1"]),
        light_red=np.array([[True]] * 9),
        light_ring_xy=ring,
        light_ring_start=np.array([0, len(ring)], np.int32),
        light_polygon_ring_start=np.array([0, 1], np.int32),
    )


def test_tokens_are_what_stands_on_the_road() -> None:
    tokens = oracle_states(lit(scene(BOXES), 30.5))
    assert tokens.shape[0] == TOKENS and np.isfinite(tokens).all()
    route = tokens[0].reshape(-1, 4)
    np.testing.assert_allclose(route[:, 0], np.array(AHEAD) / 20.0, atol=1e-5)
    np.testing.assert_allclose(route[:, 1:], [[0.0, 1.0, 0.0]] * len(AHEAD), atol=1e-5)
    np.testing.assert_allclose(tokens[1, :4], [1.0, 24 / 60, 0.5, 0.25], atol=1e-5)
    np.testing.assert_allclose(tokens[2, :2], [1.0, 31 / 60], atol=1e-5)
    x = tokens[3:, 0] * 20.0
    np.testing.assert_allclose(x, [-9.0, 12.0, 24.0, 40.0, *[0.0] * (NEAREST - 4)], atol=1e-4)
    oncoming = tokens[4, :12]
    np.testing.assert_allclose(oncoming[1:4], [3.5 / 20, -1.0, 0.0], atol=1e-5)
    np.testing.assert_allclose(oncoming[6:9], [-0.7, 0.0, 1.0], atol=1e-5)


def test_tokens_do_not_depend_on_where_the_scene_is() -> None:
    here, there = scene(BOXES), scene(BOXES, pose=(1_000.0, -2_000.0, -2.6))
    np.testing.assert_allclose(oracle_states(there), oracle_states(here), atol=1e-4)


def test_empty_road_has_no_lead_and_no_light() -> None:
    tokens = oracle_states(scene())
    assert tokens[1, :2].tolist() == [0.0, 1.0] and tokens[2, :2].tolist() == [0.0, 1.0]
    assert not tokens[3:].any()


def test_nothing_of_the_future_is_seen() -> None:
    cache = scene(BOXES)
    changed = dataclasses.replace(cache, track_pose=cache.track_pose.copy())
    changed.track_pose[1:] += 100.0
    changed.human_poses[:] = 3.0
    assert np.array_equal(oracle_states(changed), oracle_states(cache))


def test_command_plans_and_is_done_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evidence", "oracle", "data_split=town_val", "test_split=town_test"]
    words += ["scenes=6", "steps=2", f"output_dir={tmp_path / 'run'}"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "6 scenes planned (ADE " in said
    plans = pd.read_parquet(tmp_path / "run" / "plans.parquet")
    assert len(plans) == 6 and len(plans["poses"][0]) == 24
    assert main(words) == 0 and "6 scenes planned (earlier, ADE" in capsys.readouterr().out
    blind = [*words[:-1], "states=none", f"output_dir={tmp_path / 'blind'}"]
    assert main(blind) == 0
    assert not np.allclose(
        np.stack(pd.read_parquet(tmp_path / "blind" / "plans.parquet")["poses"].to_list()),
        np.stack(plans["poses"].to_list()),
    )
    assert main([*words, "seed=7"]) == 1
    assert "holds results with another seed" in capsys.readouterr().err
    scored = ["score-trajectories", f"trajectories={tmp_path / 'run' / 'plans.parquet'}"]
    scored += ["data_split=town_test", f"output={tmp_path / 'scores.parquet'}"]
    assert main(scored) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["test_split=town6_train"], "it is learned from"),
        (["data_split=town6_trian"], "did you mean"),
        (["states=some"], "states=some"),
    ],
)
def test_bad_words(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "oracle", "output_dir=x", *words]) == 2
    assert message in capsys.readouterr().err

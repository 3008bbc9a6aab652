"""Reactive traffic: what the stock devkit's vehicles do for the same plans, and the rails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent import pdm
from reworld_agent.core.errors import ConfigError, SceneError
from reworld_agent.pdm.protocols import reactive
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.rollout import rollout
from reworld_agent.pdm.traffic.idm_traffic import Unsolvable, reactive_poses
from reworld_agent.pdm.traffic.rails import VEHICLE, Rail, Rails, build_rails

ALONG = np.column_stack([np.arange(0.0, 6.0), np.zeros(6), np.zeros(6)])


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    """Vehicles and metrics of NAVSIM v2.2 with traffic_agents=reactive, split toy."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("golden_reactive.json").read_text())
    return found


@pytest.fixture(scope="module")
def plans(devkit_reference: Path) -> pd.Series:
    """Poses [8, 3] by token and candidate."""
    table = pd.read_parquet(devkit_reference / "epdms_v22.parquet")
    return table.set_index(["token", "cand"])["poses"].map(lambda p: np.reshape(p, (8, 3)))


def _scene(root: Path, token: str) -> tuple[SceneCache, Rails]:
    cache = pdm.build_scene_cache(root, root / "maps", "toy", token)
    return cache, build_rails(cache, root / "maps")


def _vehicles(cache: SceneCache, poses: np.ndarray) -> dict[str, np.ndarray]:
    there = np.flatnonzero(np.isfinite(poses[:, 0]) & (cache.track_type == VEHICLE))
    return {str(cache.track_token[k]): poses[k] for k in there}


def test_vehicles_and_metrics_are_the_devkits(
    devkit_reference: Path, golden: dict[str, Any], plans: pd.Series
) -> None:
    table = pd.DataFrame(golden["rows"])
    for token, rows in table.groupby("token"):
        cache, rails = _scene(devkit_reference, str(token))
        poses = np.stack([plans[token, candidate] for candidate in rows["candidate"]])
        states_of_all = rollout(cache, poses)
        for steps, states in zip(rows["steps"], states_of_all, strict=True):
            found = reactive_poses(cache, rails, states)
            for step, expected in steps.items():
                ours = _vehicles(cache, found[int(step)])
                assert ours.keys() == expected.keys(), (token, step)
                for name, pose in expected.items():
                    np.testing.assert_allclose(ours[name], pose, atol=1e-6, err_msg=name)
        scores = pdm.score(cache, poses, "epdms_v2", rails=rails)
        metrics = np.stack([scores[name] for name in golden["metrics"]], axis=1)
        np.testing.assert_allclose(metrics, rows["metrics"].tolist(), atol=1e-6)
        np.testing.assert_allclose(scores["pdm_score"], rows["pdm_score"], atol=1e-6)


def test_a_candidate_does_not_depend_on_the_others(
    devkit_reference: Path, golden: dict[str, Any], plans: pd.Series
) -> None:
    token = golden["rows"][0]["token"]
    cache, rails = _scene(devkit_reference, token)
    poses = np.stack(plans[token].iloc[:3].tolist())
    together = pdm.score(cache, poses, "epdms_v2", explain=True, rails=rails)
    alone = pdm.score(cache, poses[1:2], "epdms_v2", explain=True, rails=rails)
    for name, values in alone.items():
        np.testing.assert_array_equal(together[name][1:2], values, err_msg=name)


def test_a_drive_on_which_the_traffic_fails_has_no_score(
    devkit_reference: Path,
    golden: dict[str, Any],
    plans: pd.Series,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = golden["rows"][0]["token"]
    cache, rails = _scene(devkit_reference, token)
    poses = np.stack(plans[token].iloc[:2].tolist())
    bad = rollout(cache, poses)[0]

    def fail(cache: SceneCache, rails: Rails, ego: np.ndarray) -> np.ndarray:
        if np.array_equal(ego, bad):
            raise Unsolvable("no", "way")
        return reactive_poses(cache, rails, ego)

    monkeypatch.setattr(reactive, "reactive_poses", fail)
    scores = pdm.score(cache, poses, "epdms_v2", explain=True, rails=rails)
    assert np.isnan(scores["score"]).tolist() == [True, False]
    assert {len(values) for values in scores.values()} == {2}
    with pytest.raises(SceneError, match="fails for every candidate"):
        pdm.score(cache, poses[:1], "epdms_v2", rails=rails)


def test_only_epdms_has_reactive_traffic(small_rails: Rails) -> None:
    from tests.pdm.straight_road import scene, straight

    with pytest.raises(ConfigError, match="replays the log"):
        pdm.score(scene({}), straight(5.0), "pdms_v1", rails=small_rails)


@pytest.fixture
def small_rails() -> Rails:
    """No vehicles."""
    return Rails((), ())


def test_a_rail_ends_before_its_last_vertex() -> None:
    rail = Rail(ALONG)
    assert (len(rail), rail.end) == (5, 4.0)
    assert rail.clamp(9.0) == 4.0 and rail.clamp(-1.0) == 0.0
    np.testing.assert_allclose(rail.pose(2.25), [2.25, 0.0, 0.0])
    np.testing.assert_allclose(rail.ahead(2.5)[:, 0], [2.5, 3.0, 4.0])
    np.testing.assert_allclose(rail.ahead(4.0)[:, 0], [3.0, 4.0])
    np.testing.assert_allclose(rail.between(0.5, 2.5)[:, 0], [0.5, 1.0, 2.0, 2.5])
    np.testing.assert_allclose(rail.between(4.0, 4.0)[:, 0], [3.0, 4.0])
    np.testing.assert_allclose(rail.between(0.0, 0.0)[:, 0], [0.0, 1.0])


def test_vertices_that_coincide_count_once() -> None:
    twice = np.insert(ALONG, 2, ALONG[2], axis=0)
    np.testing.assert_array_equal(Rail(twice).progress, Rail(ALONG).progress)


def test_headings_turn_the_short_way() -> None:
    turning = ALONG.copy()
    turning[:, 2] = [3.0, 3.1, -3.1, -3.0, -2.9, -2.8]
    assert Rail(turning).pose(1.5)[2] == pytest.approx(-np.pi)

"""Rewards are the scorer's digits, for any mix of scenes, workers, samplings and containers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reworld_agent import pdm
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.pdm import SceneCache
from tests.pdm.straight_road import scene, sideways, straight

WALL = {"wall": ("vehicle", 20.0, 0.0, 0.0, 0.0)}


def scenes() -> list[SceneCache]:
    """A free road, a wall ahead, a car behind."""
    worlds = [{}, WALL, {"rear": ("vehicle", -14.0, 0.0, 0.0, 12.0)}]
    return [replace(scene(world), token=f"s{i}") for i, world in enumerate(worlds)]


def golden() -> SceneCache:
    """A scene that both protocols score."""
    return pdm.load(Path(pdm.__file__).parent / "golden_scene" / "scene.npz")


def plans(n_scenes: int) -> np.ndarray:
    """The same three candidates for each scene, [B, 3, 8, 3]."""
    own = np.concatenate([straight(8.0), straight(4.0), sideways(8.0, 6.0)])
    return np.repeat(own[None], n_scenes, axis=0)


def test_rewards_are_the_scores_of_each_scene() -> None:
    caches, tokens = scenes(), ["s1", "s0", "s2", "s1"]
    reward = pdm.Reward(caches)
    found = reward(tokens, plans(4))
    assert found.dtype == np.float64 and found.shape == (4, 3)
    by_token = {cache.token: cache for cache in caches}
    for row, token in zip(found, tokens, strict=True):
        np.testing.assert_array_equal(row, pdm.score(by_token[token], plans(1)[0])["score"])
    np.testing.assert_array_equal(reward(tokens, plans(4)), found)


def test_tensors_come_back_as_tensors() -> None:
    torch = pytest.importorskip("torch")
    reward = pdm.Reward(scenes())
    asked = torch.tensor(plans(2), dtype=torch.float64, requires_grad=True)
    found = reward(("s0", "s1"), asked)
    assert found.dtype == torch.float64 and not found.requires_grad
    np.testing.assert_array_equal(found.numpy(), reward(["s0", "s1"], plans(2)))


def test_columns_and_failure_records() -> None:
    cache = golden()
    both = pdm.Reward(cache, "both")([cache.token], plans(1))
    assert list(both) == ["pdms_v1_score", "epdms_v2_score"]
    for name, values in both.items():
        expected = pdm.score(cache, plans(1)[0], name.removesuffix("_score"))["score"]
        np.testing.assert_array_equal(values[0], expected)
    named = pdm.Reward(scenes(), columns=("ego_progress", "progress_m"))(["s1"], plans(1))
    assert list(named) == ["ego_progress", "progress_m"]
    reward = pdm.Reward(scenes(), explain=True)
    found = reward(["s0", "s1"], plans(2))
    assert found["no_at_fault_collisions_track_token"].tolist()[1][0] == "wall"
    assert np.isnan(found["no_at_fault_collisions_failure_time_s"][0, 0])
    assert list(pdm.Reward(scenes(), columns=("all",))(["s0"], plans(1)))[-2:] == [
        "progress_m",
        "pdm_closed_progress_m",
    ]


def test_any_sampling() -> None:
    cache = scenes()[1]
    slow = np.linspace(1.0, 32.0, 16)
    poses = np.stack([slow, 0 * slow, 0 * slow], -1)[None, None]
    found = pdm.Reward([cache], columns=("all",))(["s1"], poses, interval_s=0.25)
    expected = pdm.score(cache, poses[0], interval_s=0.25)
    assert all(np.array_equal(found[name][0], expected[name]) for name in found)
    with pytest.raises(DataError, match="interval_s is not given"):
        pdm.Reward([cache])(["s1"], poses)


def test_a_candidate_that_is_no_number_has_no_reward(caplog: pytest.LogCaptureFixture) -> None:
    reward = pdm.Reward(scenes(), explain=True)
    asked = plans(2)
    asked[1, 0, 3, 1] = np.nan
    found = reward(["s0", "s1"], asked)
    assert np.isnan(found["score"][1, 0]) and np.isfinite(found["score"]).sum() == 5
    assert found["no_at_fault_collisions_track_token"][1, 0] == ""
    assert [(f.token, f.candidate) for f in reward.faults] == [("s1", 0)]
    assert "scene s1, candidate 0: poses are not finite" in caplog.text
    asked[:] = np.inf
    assert np.isnan(reward(["s0", "s1"], asked)["score"]).all()
    assert reward.unscored == 7


def test_a_scene_that_cannot_be_scored_costs_its_own_rewards_alone() -> None:
    good, bad = scenes()[0], replace(scenes()[1], centerline=np.zeros((1, 3)))
    reward = pdm.Reward([good, bad])
    found = reward(["s0", "s1"], plans(2))
    assert np.isfinite(found[0]).all() and np.isnan(found[1]).all()
    assert "centreline" in reward.faults[0].reason


def test_folders_and_files(tmp_path: Path) -> None:
    for cache in scenes():
        cache.save(tmp_path / f"{cache.token}.npz")
    wanted = pdm.Reward(scenes())(["s0", "s1"], plans(2))
    files = [tmp_path / "s0.npz", tmp_path / "s1.npz"]
    for source in (tmp_path, str(tmp_path), files, {"s0": files[0], "s1": scenes()[1]}):
        np.testing.assert_array_equal(pdm.Reward(source)(["s0", "s1"], plans(2)), wanted)
    with pytest.raises(DataError, match="2 scenes have no cache: s7, s9"):
        pdm.Reward(tmp_path)(["s0", "s7", "s9"], plans(3))


def test_a_cache_that_changes_ends_the_training(tmp_path: Path) -> None:
    path = tmp_path / "s0.npz"
    scenes()[0].save(path)
    reward = pdm.Reward(tmp_path)
    reward(["s0"], plans(1))
    replace(scenes()[1], token="s0").save(path)
    with pytest.raises(DataError, match="has changed since it was first read"):
        reward(["s0"], plans(1))
    scenes()[1].save(path)
    with pytest.raises(DataError, match="holds the scene s1"):
        pdm.Reward(tmp_path)(["s0"], plans(1))


def test_only_the_latest_scenes_are_kept() -> None:
    reward = pdm.Reward(scenes(), keep=1)
    np.testing.assert_array_equal(
        reward(["s0", "s1", "s0"], plans(3)), pdm.Reward(scenes())(["s0", "s1", "s0"], plans(3))
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "pdms"}, "protocol=pdms is unknown"),
        ({"columns": ("scor",)}, "has no column scor"),
        ({"columns": ()}, "no columns"),
        ({"workers": 0}, "workers=0 must be"),
        ({"worker": "threads"}, "worker=threads is unknown"),
        ({"keep": -1}, "keep=-1 must be"),
    ],
)
def test_words_that_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pdm.Reward(scenes(), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("poses", "message"),
    [
        (np.zeros((1, 8, 3)), "plans have shape"),
        (np.zeros((2, 1, 8, 3)), "1 tokens but plans for 2"),
        (np.zeros((1, 0, 8, 3)), "plans have shape"),
        ([[np.zeros((8, 3)), np.zeros((40, 3))]], "plans of one sampling"),
        ("abc", "no one array of numbers"),
    ],
)
def test_plans_that_are_refused(poses: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        pdm.Reward(scenes())(["s0"], poses)


def test_sources_that_are_refused(tmp_path: Path) -> None:
    for source, message in (
        (tmp_path / "none", "no such folder"),
        ([], "no scene caches were given"),
        ([scenes()[0], scenes()[0]], "have another's token"),
        (3, "int holds no scene caches"),
        ([3], "int is no scene cache"),
    ):
        with pytest.raises(DataError, match=message):
            pdm.Reward(source)

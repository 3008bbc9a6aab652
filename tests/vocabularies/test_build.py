"""Vocabularies from logged futures: spread as they should be, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reworld_agent import vocabularies
from reworld_agent.core.errors import DataError, UsageError
from reworld_agent.vocabularies import BuildVocabularyRun
from reworld_agent.vocabularies.build import cluster_means, furthest_points
from tests.pdm import small_scene
from tests.vocabularies import small_split

SPEEDS = np.repeat([2.0, 5.0, 9.0], [30, 20, 10])


def _futures() -> np.ndarray:
    """60 straight futures about three speeds [60, 8, 3]."""
    jitter = np.random.default_rng(0).normal(0.0, 0.05, 60)
    along = 0.5 * np.arange(1, 9)
    x = (SPEEDS + jitter)[:, None] * along
    return np.stack([x, 0 * x, 0 * x], axis=-1)


def test_means_are_those_of_the_clusters() -> None:
    futures = _futures()
    found = cluster_means(futures, 3, 2.0, np.random.default_rng(1))
    for number, speed in enumerate((2.0, 5.0, 9.0)):  # the largest cluster first
        np.testing.assert_allclose(found[number], futures[speed == SPEEDS].mean(axis=0))


def test_headings_are_averaged_across_the_turn() -> None:
    turn = np.linspace(0.0, 3.0, 8) + np.array([[0.2], [0.4]])
    futures = np.zeros((2, 8, 3))
    futures[..., 2] = (turn + np.pi) % (2 * np.pi) - np.pi
    futures = np.concatenate([futures, futures + np.array([100.0, 0.0, 0.0])])
    found = cluster_means(futures, 2, 2.0, np.random.default_rng(0))
    np.testing.assert_allclose(found[:, :, 2], np.tile(turn.mean(axis=0), (2, 1)))


def test_furthest_points_reach_every_speed() -> None:
    found = furthest_points(_futures(), 3, 2.0, np.random.default_rng(3))
    assert sorted(np.round(found[:, -1, 0] / 4.0).tolist()) == [2.0, 5.0, 9.0]


def test_a_file_from_a_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = small_split.split(monkeypatch, tmp_path / "steady")
    output = tmp_path / "made.npy"
    with pytest.raises(DataError, match="1 different futures of 4 s for 2 trajectories"):
        vocabularies.build_vocabulary(
            BuildVocabularyRun(train_test_split=split, output=output, count=2)
        )
    nothing = replace(split, scene_filter=replace(split.scene_filter, tokens=("none",)))
    with pytest.raises(DataError, match=r"no scene of .* has a logged future of 4 s"):
        vocabularies.build_vocabulary(BuildVocabularyRun(train_test_split=nothing, output=output))
    log = small_scene.frames(n=16)
    for k, frame in enumerate(log):
        frame["ego2global_translation"][0] += 0.25 * k * k  # 2 m/s² more
    split = small_split.split(monkeypatch, tmp_path / "faster", log)
    settings = BuildVocabularyRun(train_test_split=split, output=output, count=5)
    made = vocabularies.build_vocabulary(settings)
    np.testing.assert_array_equal(vocabularies.read_vocabulary(output).poses, made)
    # in frame k: 5 m/s for 4 s, and 0.25 ((k + 8)² - k²) m more
    expected = [20.0 + 0.25 * ((k + 8) ** 2 - k * k) for k in range(3, 8)]
    np.testing.assert_allclose(np.sort(made[:, -1, 0]), expected, atol=1e-3)
    with pytest.raises(UsageError, match=r"is no FILE\.npy"):
        BuildVocabularyRun(train_test_split=split, output=tmp_path / "made.csv")


def test_a_damaged_frame_costs_its_scenes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = small_scene.frames(n=16)
    for k, frame in enumerate(log):
        frame["ego2global_translation"][0] += 0.25 * k * k
    log[0]["ego_dynamic_state"] = [np.nan] * 4  # of the first scene alone
    split = small_split.split(monkeypatch, tmp_path, log)
    settings = BuildVocabularyRun(train_test_split=split, output=tmp_path / "v.npy", count=4)
    assert vocabularies.build_vocabulary(settings).shape == (4, 8, 3)
    assert "1 of 5 scenes are left out" in caplog.text and "ego_dynamic_state" in caplog.text

"""What is computed once for a scene: once, for as long as its cache is there, and no longer."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reworld_agent import pdm
from reworld_agent.pdm.protocols import scored_scene
from reworld_agent.pdm.protocols.pdms import PdmsScene
from reworld_agent.pdm.protocols.scored_scene import ScoredScene
from tests.pdm import small_scene
from tests.pdm.straight_road import Box, scene, straight

WALL: dict[str, Box] = {"wall": ("vehicle", 20.0, 0.0, 0.0, 0.0)}


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is built, in order."""
    found: list[str] = []
    make_scenery, rollout_of_reference = scored_scene.make_scenery, PdmsScene.__init__

    def counted_scenery(cache: pdm.SceneCache) -> object:
        found.append("scenery")
        return make_scenery(cache)

    def counted_scene(self: PdmsScene, *arguments: Any) -> None:
        found.append("pdms")
        rollout_of_reference(self, *arguments)

    monkeypatch.setattr(scored_scene, "make_scenery", counted_scenery)
    monkeypatch.setattr(PdmsScene, "__init__", counted_scene)
    return found


def test_a_thousand_scores_build_the_scene_once(built: list[str]) -> None:
    cache, poses = scene(WALL), straight(3.0, 8.0)
    first = pdm.score(cache, poses)
    for _ in range(1000):
        found = pdm.score(cache, poses)
    assert built == ["scenery", "pdms"]
    for name, values in first.items():
        np.testing.assert_array_equal(values, found[name])
    pdm.score(replace(cache), poses)  # another object is another scene
    assert built == ["scenery", "pdms"] * 2


def test_a_scene_may_be_held_in_place_of_its_cache(built: list[str]) -> None:
    cache = scene(WALL)
    held = pdm.ScoredScene(cache)
    assert built == []
    plain = pdm.score(cache, straight(8.0), explain=True)
    for name, values in pdm.score(held, straight(8.0), explain=True).items():
        np.testing.assert_array_equal(values, plain[name])
    assert ScoredScene.of(cache) is ScoredScene.of(cache) is not held
    assert ScoredScene.of(held) is held
    (many,) = pdm.score_many([held], straight(8.0))
    np.testing.assert_array_equal(many["score"], plain["score"])
    assert built == ["scenery", "pdms"] * 2


def test_both_protocols_share_the_scenery(built: list[str], tmp_path: Path) -> None:
    log = small_scene.frames()
    small_scene.write(tmp_path, log)
    token = str(log[3]["token"])
    cache = pdm.build_scene_cache(tmp_path, tmp_path / "maps", small_scene.SPLIT, token)
    for protocol in ("epdms_v2", "both", "pdms_v1", "epdms_v2"):
        pdm.score(cache, np.zeros((1, 8, 3)), protocol)
    assert built == ["scenery", "pdms"]


def test_nothing_is_kept_of_a_cache_that_is_gone() -> None:
    cache = scene(WALL)
    pdm.score(cache, straight(8.0))
    gone, known = weakref.ref(cache), weakref.ref(ScoredScene.of(cache))
    del cache
    gc.collect()
    assert gone() is None and known() is None

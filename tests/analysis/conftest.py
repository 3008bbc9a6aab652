"""A few scenes of the embedded split with front images, and runs over them, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import DataRoots
from reworld_agent.scenes.synthetic import ensure_split
from tests.analysis.runs import constant_velocity, make_run

SCENES = 12


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> SceneCaches:
    """A few scenes of `town_test`."""
    root = tmp_path_factory.mktemp("town")
    made = ensure_split("town_test", root, scenes=SCENES, progress=False)
    return SceneCaches(made.data_root, made.maps_root, made.data_split, root / "caches")


@pytest.fixture(scope="session")
def tokens(caches: SceneCaches) -> list[str]:
    """Tokens of the scenes."""
    roots = DataRoots(caches.data_root, caches.maps_root, caches.data_split)
    return roots.loader(SceneFilter(frame_interval=1)).tokens[:SCENES]


@pytest.fixture(scope="session")
def run(caches: SceneCaches, tokens: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of too fast plans that fail in several ways."""
    fast = {token: 1.6 * constant_velocity(caches.get(token)) for token in tokens}
    return make_run(tmp_path_factory.mktemp("run"), caches, fast)


@pytest.fixture(scope="session")
def run_v2(
    caches: SceneCaches, tokens: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same plans, turned to the left, scored by EPDMS."""
    turned = {
        token: 1.6 * constant_velocity(caches.get(token)) + [0.0, 1.5, 0.0] for token in tokens
    }
    return make_run(tmp_path_factory.mktemp("run_v2"), caches, turned, "epdms_v2")

"""Both protocols in one go: the same numbers as one by one, and one simulation for the two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent import pdm
from reworld_agent.core.errors import ConfigError, SceneError
from reworld_agent.pdm.simulate import rollout as simulation
from tests.pdm.straight_road import scene, straight


def _counting(
    driven: list[int],
) -> Callable[[pdm.SceneCache, np.ndarray, float | None], np.ndarray]:
    """The simulation, which notes how many candidates each call has."""
    rollout = simulation.rollout

    def counted(
        cache: pdm.SceneCache, poses: np.ndarray, interval_s: float | None = None
    ) -> np.ndarray:
        driven.append(len(poses))
        return rollout(cache, poses, interval_s)

    return counted


@pytest.mark.parametrize("explain", [False, True])
def test_both_protocols_equal_two_runs(
    devkit_reference: Path, monkeypatch: pytest.MonkeyPatch, explain: bool
) -> None:
    root = devkit_reference
    table = pd.read_parquet(root / "epdms_v22.parquet")
    for token in table["token"].unique()[:3].tolist():
        rows = table[table["token"] == token]
        poses = np.stack(list(rows["poses"])).reshape(len(rows), 8, 3)
        alone: dict[str, Any] = {}
        for protocol in ("pdms_v1", "epdms_v2"):
            cache = pdm.build_scene_cache(root, root / "maps", "toy", token)
            found = pdm.score(cache, poses, protocol, explain)
            alone |= {f"{protocol}_{name}": values for name, values in found.items()}
        driven: list[int] = []
        monkeypatch.setattr(simulation, "_CHUNK", 48)
        monkeypatch.setattr(simulation, "rollout", _counting(driven))
        cache = pdm.build_scene_cache(root, root / "maps", "toy", token)
        both = pdm.score(cache, poses, "both", explain)
        monkeypatch.undo()
        assert list(both) == list(alone)
        for name, values in alone.items():
            np.testing.assert_array_equal(both[name], values, name)
        # the one by himself is the logged driver
        assert [count for count in driven if count > 1] == [48, 16]


def test_what_one_of_them_cannot_score_is_refused() -> None:
    with pytest.raises(SceneError, match=r"PDM-Closed v2\.2"):
        pdm.score(scene(), straight(8.0), protocol="both")
    with pytest.raises(ConfigError, match=r"use protocol=pdms_v1 \| epdms_v2 \| both"):
        pdm.score(scene(), straight(8.0), protocol="pdms")

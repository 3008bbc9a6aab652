"""What was shipped: the golden scene and all numbers that were computed for it where it is tested.

Made by `make golden` from the embedded town; the same code is tested against the stock devkit's
scores.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import ReWorldError
from reworld_agent.pdm.golden.routines import REINSTALL
from reworld_agent.pdm.scene_cache import SceneCache

GOLDEN_TOLERANCE = 1e-6


@lru_cache(maxsize=1)
def expected() -> dict[str, Any]:
    """All shipped numbers."""
    file = resources.files("reworld_agent.pdm").joinpath("golden_scene", "scores.json")
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def golden_cache() -> SceneCache:
    """The scene, read anew: whoever scores it keeps nothing of it."""
    file = resources.files("reworld_agent.pdm").joinpath("golden_scene", "scene.npz")
    with resources.as_file(file) as path:
        return SceneCache.load(path)


def plans() -> NDArray[np.float64]:
    """The plans that are scored, [5, 8, 3]."""
    return np.array(expected()["poses"])


def deviation(found: dict[str, Any], shipped: dict[str, Any]) -> float:
    """Largest difference of numbers with the same names; NaN where one is none or missing."""
    worst = 0.0
    for name, numbers in shipped.items():
        ours, theirs = np.asarray(found.get(name, np.nan), float), np.asarray(numbers, float)
        if ours.shape != theirs.shape:
            return float("nan")
        for one, other in zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True):
            apart = abs(one - other)
            worst = apart if not apart <= worst else worst  # a NaN stays
            if worst != worst:
                return worst
    return worst


def refuse_deviation(what: str, apart: float, tolerance: float = GOLDEN_TOLERANCE) -> None:
    """Raise ReWorldError where `what` deviates: no number is safe."""
    if not apart <= tolerance:
        raise ReWorldError(
            f"refusing to score: {what} by {apart:.3g} (at most {tolerance:g})",
            f"reinstall the pinned versions: {REINSTALL}",
        )

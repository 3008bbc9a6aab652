"""The golden scene: does the scorer give here what it gave where it was tested?

Every evaluation asks this before it starts (`require_golden`).
"""

from __future__ import annotations

import json
from importlib import resources

import numpy as np

from reworld_agent.core.errors import ReWorldError
from reworld_agent.core.findings import FAIL, OK, Finding
from reworld_agent.pdm.api import load, score

GOLDEN_TOLERANCE = 1e-6
REINSTALL = "pip install -c constraints.txt -e . ; then reworld doctor"


def golden_deviation() -> float:
    """Largest difference between the golden scene's scores here and as shipped.

    The scene and its scores (one row a candidate) were made by `make golden` from the embedded
    town; the same code is tested against the stock devkit's scores.
    """
    folder = resources.files("reworld_agent.pdm").joinpath("golden_scene")
    expected = json.loads(folder.joinpath("scores.json").read_text(encoding="utf-8"))
    with resources.as_file(folder.joinpath("scene.npz")) as path:
        found = score(load(path), np.array(expected["poses"]))
    differences = [np.abs(found[k] - np.array(v)).max() for k, v in expected["scores"].items()]
    return float(np.max(differences))  # NaN stays NaN, and no tolerance admits it


def check_golden() -> Finding:
    """The golden scene, scored now."""
    deviation = golden_deviation()
    if deviation <= GOLDEN_TOLERANCE:
        return Finding("golden scene", OK, f"scores as shipped (difference {deviation:.1e})")
    what = f"the golden scene's scores differ by {deviation:.3g} (at most {GOLDEN_TOLERANCE:g})"
    return Finding("golden scene", FAIL, what, f"reinstall the pinned versions: {REINSTALL}")


def require_golden() -> None:
    """Raise ReWorldError where the golden scene does not score as it must: no number is safe."""
    finding = check_golden()
    if finding.status == FAIL:
        raise ReWorldError(f"refusing to score: {finding.what}", finding.fix)

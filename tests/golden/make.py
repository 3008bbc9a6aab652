"""Rewrite the golden files from the current code: `make golden`. Read the diff before committing.

reworld_agent/pdm/golden_scene/{scene.npz,scores.json}: one scene of the embedded town and the
scores of five plans for it, which `reworld doctor` and every evaluation compare.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reworld_agent import pdm
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.scenes.synthetic import ensure_split

FOLDER = Path(pdm.__file__).parent / "golden_scene"
SCENE = 34  # a scene of town_test in which the plans below fail in different ways


def plans(human: NDArray[np.float64]) -> NDArray[np.float64]:
    """[5, 8, 3]: the human, half and double pace, 3 m to the left, and standing still."""
    shifted = human + np.linspace(0, 1, 8)[:, None] * np.array([0.0, 3.0, 0.0])
    return np.stack([human, human * 0.5, human * 2.0, shifted, human * 0.0])


def main() -> None:
    """Write both files."""
    ensure_split("town_test", cameras=())
    roots = resolve_split("town_test", ())
    token = roots.loader(SceneFilter(frame_interval=3)).tokens[SCENE]
    cache = pdm.build_scene_cache(roots.data_root, roots.maps_root, roots.data_split, token)
    poses = plans(cache.human_poses)
    scores = {key: value.tolist() for key, value in pdm.score(cache, poses).items()}
    FOLDER.mkdir(exist_ok=True)
    cache.save(FOLDER / "scene.npz")
    content = {"token": token, "protocol": "pdms_v1", "poses": poses.tolist(), "scores": scores}
    (FOLDER / "scores.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Rewrite the golden files from the current code: `make golden`. Read the diff before committing.

reworld_agent/pdm/golden_scene/{scene.npz,scores.json}: one scene of the embedded town and the
numbers of five plans for it, which `reworld doctor` and every scoring process compare.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent import pdm
from reworld_agent.pdm.golden import constants, log_replay, reactive, shipped, two_stage
from reworld_agent.pdm.traffic.rails import Car, Rail, build_rails
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.scenes.synthetic import ensure_split

FOLDER = Path(pdm.__file__).parent / "golden_scene"
SCENE = 34  # a scene of town_test in which the plans below fail in different ways
CARS = 1  # driven in reactive traffic, the nearest to the ego


def plans(human: NDArray[np.float64]) -> NDArray[np.float64]:
    """[5, 8, 3]: the human, half and double pace, 3 m to the left, and standing still."""
    shifted = human + np.linspace(0, 1, 8)[:, None] * np.array([0.0, 3.0, 0.0])
    return np.stack([human, human * 0.5, human * 2.0, shifted, human * 0.0])


def _car(car: Car) -> dict[str, Any]:
    """What makes the same car; `Rail` drops the last vertex of what it is given."""
    states = car.rail._states
    line = np.vstack([states, states[-1] + [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(Rail(line).progress, car.rail.progress, atol=1e-9)
    names = ("track", "name", "progress", "speed", "target_speed", "length", "width")
    return {**{name: getattr(car, name) for name in names}, "rail": line.tolist()}


def main() -> None:
    """Write both files."""
    ensure_split("town_test", cameras=())
    roots = resolve_split("town_test", ())
    token = roots.loader(SceneFilter(frame_interval=3)).tokens[SCENE]
    shipped.expected.cache_clear()
    cache = pdm.build_scene_cache(roots.data_root, roots.maps_root, roots.data_split, token)
    FOLDER.mkdir(exist_ok=True)
    cache.save(FOLDER / "scene.npz")
    cars = build_rails(cache, roots.maps_root).cars
    place = cache.track_pose[0, :, :2] - cache.ego_state[:2]
    near = sorted(cars, key=lambda car: float(np.hypot(*place[car.track])))[:CARS]
    driven = [_car(car) for car in sorted(near, key=lambda car: car.track)]
    content: dict[str, Any] = {
        "token": token,
        "poses": plans(cache.human_poses).tolist(),
        "reactive": {"cars": driven},
    }
    _write(content)
    content["constants"] = _plain(constants.numeric_constants())
    content["scores"] = _plain(log_replay.log_replay_scores())
    content["reactive"]["scores"] = _plain(reactive.reactive_scores(reactive.golden_rails()))
    _write(content)
    content["two_stage"] = _plain(two_stage.two_stage_scores())
    _write(content)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers as lists, without the digits that differ between machines."""
    rounded = {key: np.vectorize(lambda x: float(f"{x:.12g}"))(v) for key, v in values.items()}
    return {key: value.tolist() for key, value in rounded.items()}


def _write(content: dict[str, Any]) -> None:
    text = json.dumps(content, separators=(",", ":")).replace('],"', '],\n"')
    (FOLDER / "scores.json").write_text(text + "\n", encoding="utf-8")
    shipped.expected.cache_clear()


if __name__ == "__main__":
    main()

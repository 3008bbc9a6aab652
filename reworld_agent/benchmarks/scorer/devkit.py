"""Times of the stock devkit v1.1, run in its own interpreter by `benchmark.measure_devkit`.

    python benchmark_devkit.py DATA_ROOT SPLIT TOKEN...

Prints one line of JSON. Stands alone: imports the devkit and nothing of this package.
"""

from __future__ import annotations

import json
import lzma
import os
import pickle
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

_CALLS = 20


def _best_ms(function: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.thread_time()  # the same clock as in `benchmark.best_ms`
        function()
        times.append(time.thread_time() - start)
    return 1e3 * min(times)


def _measure(root: Path, split: str, tokens: list[str], folder: Path) -> list[dict[str, Any]]:
    from navsim.common.dataclasses import SceneFilter, SensorConfig, Trajectory
    from navsim.common.dataloader import SceneLoader
    from navsim.evaluate.pdm_score import pdm_score
    from navsim.planning.metric_caching.metric_cache_processor import MetricCacheProcessor
    from navsim.planning.scenario_builder.navsim_scenario import NavSimScenario
    from navsim.planning.simulation.planner.pdm_planner.scoring.pdm_scorer import PDMScorer
    from navsim.planning.simulation.planner.pdm_planner.simulation.pdm_simulator import (
        PDMSimulator,
    )
    from nuplan.planning.simulation.trajectory.trajectory_sampling import TrajectorySampling

    maps = str(folder / "maps")
    wanted = SceneFilter(num_history_frames=4, num_future_frames=10, frame_interval=1)
    loader = SceneLoader(
        root / "navsim_logs" / split, root, wanted, SensorConfig.build_no_sensors()
    )
    sampling = TrajectorySampling(num_poses=40, interval_length=0.1)
    simulator, scorer = PDMSimulator(sampling), PDMScorer(sampling)
    straight = np.zeros((8, 3), np.float32)
    straight[:, 0] = 2.0 * np.arange(1, 9)
    rows = []
    for token in tokens:
        scene = loader.get_scene_from_token(token)
        scenario = NavSimScenario(scene, map_root=maps, map_version="nuplan-maps-v1.0")
        processor = MetricCacheProcessor(str(folder / "cache"), True)
        build = _best_ms(partial(processor.compute_metric_cache, scenario), 3)
        path = next((folder / "cache").rglob(f"{token}/metric_cache.pkl"))

        def load(path: Path = path) -> Any:
            # the devkit wrote it a moment ago, in a folder of this process alone
            return pickle.loads(lzma.decompress(path.read_bytes()))

        cache, plan = load(), Trajectory(straight)
        one = _best_ms(partial(pdm_score, cache, plan, sampling, simulator, scorer), _CALLS)
        rows.append(
            {
                "split": split,
                "token": token,
                "build": build,
                "load": _best_ms(load, 5),
                "score 1": one,
                "score 64": 64 * one,  # the devkit scores one trajectory a call
            }
        )
    return rows


def main() -> None:
    """Measure the tokens named on the command line."""
    root, split, tokens = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(root / "maps", folder / "maps", copy_function=shutil.copy)
        for path in [folder / "maps", *(folder / "maps").rglob("*")]:
            path.chmod(0o755)  # nuPlan writes beside its maps
        os.environ["NUPLAN_MAPS_ROOT"] = str(folder / "maps")
        os.environ["NUPLAN_MAP_VERSION"] = "nuplan-maps-v1.0"
        os.environ["OPENSCENE_DATA_ROOT"] = str(root)
        os.environ["NAVSIM_EXP_ROOT"] = str(folder)
        print(json.dumps(_measure(root, split, tokens, folder)))


if __name__ == "__main__":
    main()

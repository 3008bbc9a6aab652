"""How fast the scorer is, on one thread, beside the stock devkit where it is installed."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from reworld_agent.benchmarks.scorer.settings import DataSet
from reworld_agent.pdm.api import load, score
from reworld_agent.pdm.cache_io.build import build_scene_cache
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.scenes.logs import load_log

COUNTS = (1, 64, 8192)
GROWTH = (1, 4, 16, 64, 256, 1024, 4096, 16384)
_REPEATS = 5
logger = logging.getLogger(__name__)


def tokens_of(data: DataSet, count: int) -> list[str]:
    """Scenes spread over all logs, each with 3 frames before and 10 after."""
    found = []
    for path in sorted((data.root / "navsim_logs" / data.split).glob("*.pkl")):
        log = load_log(path)
        found += [f["token"] for f in log[3 : len(log) - 10] if len(f["roadblock_ids"])]
    step = max(len(found) // count, 1)
    return [str(token) for token in found[::step][:count]]


def candidates(n: int, speed: float, seed: int = 0) -> NDArray[np.float64]:
    """[n, 8, 3] smooth random trajectories around a speed [m/s]: braking, turning, passing."""
    rng = np.random.default_rng(seed)
    change = rng.uniform(-3.0, 2.0, (n, 1)) * 0.5 * np.arange(1, 9)
    speeds = np.clip(speed + change, 0.0, 25.0)
    heading = np.cumsum(rng.normal(0.0, 0.02, (n, 1)) * speeds / 5.0, axis=1)
    step = 0.5 * speeds[..., None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    return np.concatenate([np.cumsum(step, axis=1), heading[..., None]], axis=-1)


def best_ms(function: Callable[[], object], repeats: int = _REPEATS) -> float:
    """Shortest time of some calls [ms]; the machine's other work only adds.

    The clock is that of the thread: on an idle machine it goes like the one on the wall, and on a
    busy one it stands still while other programs have the core.
    """
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        function()
        times.append(time.thread_time() - start)
    return 1e3 * min(times)


def measure_scene(data: DataSet, token: str) -> dict[str, float | str]:
    """One row of the table: times [ms] of one scene, everything included."""

    def build() -> SceneCache:
        return build_scene_cache(data.root, data.root / "maps", data.split, token)

    cache = build()
    poses = candidates(max(COUNTS), float(cache.ego_state[3]))
    row: dict[str, float | str] = {
        "split": data.split,
        "token": token,
        "tracks": float(len(cache.track_token)),
        "polygons": float(len(cache.polygon_kind)),
        "build": best_ms(build, 15),
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "scene.npz"
        cache.save(path)
        row["load"] = best_ms(lambda: load(path), 50)

        def loaded(count: int) -> object:
            return score(load(path), poses[:count])

        for count in COUNTS:  # from the file: the raster and PDM-Closed's drive are made anew
            repeats = 30 if count <= 64 else _REPEATS
            row[f"score {count}"] = best_ms(partial(loaded, count), repeats)
    plain, explained = [], []
    for _ in range(40):  # in turns, so that the machine's other work meets both alike
        plain.append(best_ms(lambda: score(cache, poses[:64]), 1))
        explained.append(best_ms(lambda: score(cache, poses[:64], explain=True), 1))
    row["plain 64"], row["explain 64"] = min(plain), min(explained)
    return row


def first_use_s(data: DataSet, token: str) -> tuple[float, float]:
    """From a fresh process with an empty compile cache to the first score.

    Returns:
        Seconds on the wall, and seconds of CPU time in that process (others compile at the same
        time).
    """
    code = (
        "import sys,time,numpy as np; t=time.perf_counter(); c=time.process_time()\n"
        "from reworld_agent import pdm\n"
        "s=pdm.build_scene_cache(*sys.argv[1:5]); pdm.score(s,np.zeros((1,8,3)),explain=True)\n"
        "print(time.perf_counter()-t,time.process_time()-c)"
    )
    with TemporaryDirectory() as folder:
        words = [str(data.root), str(data.root / "maps"), data.split, token]
        environment = {**_one_thread(), "NUMBA_CACHE_DIR": folder}
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        )
    wall, own = done.stdout.split()[-2:]
    return float(wall), float(own)


def _one_thread() -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, "1")}


def growth(data: DataSet, token: str) -> pd.DataFrame:
    """Time [ms] against the number of candidates of one scene."""
    cache = build_scene_cache(data.root, data.root / "maps", data.split, token)
    poses = candidates(max(GROWTH), float(cache.ego_state[3]))
    score(cache, poses[:1])
    rows = [{"candidates": n, "ms": best_ms(partial(score, cache, poses[:n]), 3)} for n in GROWTH]
    return pd.DataFrame(rows).assign(split=data.split)


def measure_devkit(
    python: str, sets: list[DataSet], scenes: dict[str, list[str]]
) -> pd.DataFrame | None:
    """The stock devkit v1.1 on the same scenes, in its own interpreter; None where it is absent.

    Returns:
        Columns split, token, build, load, score 1, score 64 [ms].
    """
    script = Path(__file__).with_name("devkit.py")
    frames = []
    for data in sets:
        words = [python, str(script), str(data.root), data.split, *scenes[data.split]]
        done = subprocess.run(words, capture_output=True, text=True, env=_one_thread())
        if done.returncode:
            logger.warning("no devkit column: %s", done.stderr.strip().splitlines()[-1:])
            return None
        frames.append(pd.DataFrame(json.loads(done.stdout.splitlines()[-1])))
    return pd.concat(frames, ignore_index=True)


def run(sets: list[DataSet], n_scenes: int, devkit_python: str) -> tuple[pd.DataFrame, ...]:
    """All measurements: (scenes, growth, devkit or an empty table)."""
    scenes = {data.split: tokens_of(data, n_scenes) for data in sets}
    todo = [(data, token) for data in sets for token in scenes[data.split]]
    data, token = todo[0]
    measure_scene(data, token)  # compiles what is not compiled yet
    rows = [measure_scene(data, token) for data, token in tqdm(todo, unit="scene", delay=5.0)]
    curves = pd.concat([growth(data, scenes[data.split][0]) for data in sets])
    devkit = measure_devkit(devkit_python, sets, scenes)
    return pd.DataFrame(rows), curves, pd.DataFrame() if devkit is None else devkit


def summary(ours: pd.DataFrame, devkit: pd.DataFrame) -> pd.DataFrame:
    """Medians [ms] by split; where the devkit was measured its median, and what it takes longer.

    `ratio` is the median over the scenes of the devkit's time over ours, `ratio_low` and
    `ratio_high` the least and the most: of six scenes a 97 % interval (1 - 2 * 0.5 ** 6).
    """
    names = ["build", "load", *(f"score {n}" for n in COUNTS), "plain 64", "explain 64"]
    rows = []
    for split, scenes in ours.groupby("split", sort=False):
        own = devkit[devkit["split"] == split] if len(devkit) else devkit
        for name in names:
            ms = float(scenes[name].median())
            row: dict[str, object] = {"split": split, "what": name, "ours_ms": ms}
            if name in own:
                theirs = own.set_index("token")[name]
                ratios = theirs / scenes.set_index("token")[name]
                row.update(devkit_ms=float(theirs.median()), ratio=float(ratios.median()))
                row.update(ratio_low=float(ratios.min()), ratio_high=float(ratios.max()))
            rows.append(row)
    return pd.DataFrame(rows)

"""`worker=ray` on a real Ray, where it is installed."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.shards import PartStore
from reworld_agent.core.workers import run_tasks
from reworld_agent.evaluation.scoring import ROW_KEYS, score_trajectories
from reworld_agent.pdm.cache_io.folder import SceneCaches
from tests.pdm import small_scene

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'reworld-agent[ray]'")


@pytest.fixture(scope="module", autouse=True)
def stopped_at_the_end() -> Iterator[None]:
    """The cluster of two cores that the first test here starts."""
    yield
    ray.shutdown()


def _refuse(number: int) -> int:
    if number == 2:
        raise DataError(f"scene {number} is damaged", "leave it out")
    return number


def test_every_result_comes_once_from_processes_of_one_thread() -> None:
    assert sorted(run_tasks(abs, [-3, 1, -2, 0, 5], "ray", 2)) == [0, 1, 2, 3, 5]
    assert set(run_tasks(os.getenv, ["OPENBLAS_NUM_THREADS"] * 2, "ray", 2)) == {"1"}
    assert os.getpid() not in set(run_tasks(_process, range(2), "ray", 2))


def _process(_: int) -> int:
    return os.getpid()


def test_an_error_of_ours_stays_one() -> None:
    with pytest.raises(DataError, match="scene 2 is damaged"):
        list(run_tasks(_refuse, [1, 2, 3], "ray", 2))


def test_scores_are_those_of_this_process(tmp_path: Path) -> None:
    log = small_scene.frames()
    small_scene.write(tmp_path, log)
    caches = SceneCaches(tmp_path, tmp_path / "maps", small_scene.SPLIT, tmp_path / "caches")
    ahead = np.arange(1, 9)[:, None] * np.array([[2.5, 0.0, 0.0]])
    rows = [
        (str(log[3]["token"]), f"c{number}", (ahead * scale).ravel())
        for number, scale in enumerate((0.0, 0.5, 1.0, 1.4))
    ]
    table = pd.DataFrame(rows, columns=["token", "candidate", "poses"])
    found = {}
    for worker in ("ray", "sequential"):
        store = PartStore(tmp_path / worker, ROW_KEYS, {})
        found[worker] = score_trajectories(table, caches, store, worker=worker, workers=2)
    assert set(found["ray"]["reason"]) == {""}
    pd.testing.assert_frame_equal(found["ray"], found["sequential"])


def _slowly(number: int) -> int:
    time.sleep(0.5)
    return number * number


@pytest.mark.slow  # two nodes, each with processes of its own
def test_a_running_cluster_that_loses_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """`workers=` is given too: only a cluster that is started here can be told its cores."""
    ray.shutdown()
    cluster = importlib.import_module("ray.cluster_utils").Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1}
    )
    try:
        node = cluster.add_node(num_cpus=2)
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        found: list[int] = []
        for square in run_tasks(_slowly, range(12), "ray", 3):
            found.append(square)
            if len(found) == 2:
                assert ray.cluster_resources()["CPU"] == 3.0
                cluster.remove_node(node)
        assert sorted(found) == [number**2 for number in range(12)]
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_a_cluster_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(address: str, **options: object) -> None:
        raise ConnectionError(address)

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(ConfigError, match="no Ray cluster answers there"):
        list(run_tasks(abs, [1], "ray"))

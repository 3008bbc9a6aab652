"""Scoring a table of trajectories: grouping, order, faults, resuming, caches."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.shards import PartStore
from reworld_agent.core.workers import run_tasks
from reworld_agent.evaluation.scoring import ROW_KEYS, score_trajectories
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split
from tests.evaluation.fakes import FakeScorer


@pytest.fixture
def caches(small_split: Path, tmp_path: Path) -> SceneCaches:
    return SceneCaches(small_split, small_split / "maps", "small", tmp_path / "caches")


@pytest.fixture
def tokens(small_split: Path) -> list[str]:
    return resolve_split("small").loader(SceneFilter(frame_interval=1)).tokens


def _table(rows: list[tuple[str, str, np.ndarray]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["token", "candidate", "poses"])


def _flat(x: float, count: int = 8) -> np.ndarray:
    poses = np.zeros((count, 3))
    poses[:, 0] = x
    return poses.ravel()


def _score(table: pd.DataFrame, caches: SceneCaches, folder: Path) -> pd.DataFrame:
    return score_trajectories(table, caches, PartStore(folder, ROW_KEYS, {}), worker="sequential")


def test_rows_keep_their_order_and_scenes_are_scored_once(
    caches: SceneCaches, tokens: list[str], scorer: FakeScorer, tmp_path: Path
) -> None:
    table = _table(
        [(t, c, _flat(10.0 * i + j)) for j, c in enumerate("ab") for i, t in enumerate(tokens)]
    )
    rows = _score(table, caches, tmp_path / "parts")
    assert rows[["token", "candidate"]].equals(table[["token", "candidate"]])
    np.testing.assert_allclose(rows["score"] * 100, [p[0] for p in table["poses"]])
    assert set(rows["reason"]) == {""}
    assert sorted(scorer.built) == sorted(tokens)
    assert rows["progress_m"].notna().all()
    manifest = json.loads((caches.folder / "manifest.json").read_text(encoding="utf-8"))
    assert {"data_split", "digest", "code_version", "numpy", "blas"} <= set(manifest)
    assert manifest["tokens"] == len(list(caches.folder.glob("*.npz")))


def test_finished_rows_are_not_scored_again(
    caches: SceneCaches, tokens: list[str], scorer: FakeScorer, tmp_path: Path
) -> None:
    table = _table([(t, "a", _flat(1.0)) for t in tokens])
    _score(table.iloc[:5], caches, tmp_path / "parts")
    assert len(scorer.scored) == 5
    _score(table, caches, tmp_path / "parts")
    assert len(scorer.scored) == len(tokens)
    assert len(scorer.built) == len(tokens)
    # Other numbers under the same name are another row.
    other = _table([(t, "a", _flat(7.0 if t == tokens[0] else 1.0)) for t in tokens])
    rows = _score(other, caches, tmp_path / "parts")
    assert len(scorer.scored) == len(tokens) + 1
    assert rows["score"][0] == pytest.approx(0.07)


def test_faults_are_told_row_by_row(
    caches: SceneCaches, tokens: list[str], scorer: FakeScorer, tmp_path: Path
) -> None:
    scorer.bad = {tokens[1]}
    table = _table(
        [
            (tokens[0], "nan", _flat(np.nan)),
            (tokens[0], "short", _flat(1.0, 7)),
            (tokens[0], "long", _flat(1.0, 40)),
            (tokens[0], "good", _flat(1.0)),
            (tokens[1], "good", _flat(1.0)),
            ("beefbeefbeefbeef", "good", _flat(1.0)),
        ]
    )
    rows = _score(table, caches, tmp_path / "parts")
    reasons = rows["reason"].tolist()
    assert reasons[0] == "poses are not finite"
    assert reasons[1].startswith("poses hold 21 numbers ([7, 3])")
    assert reasons[2] == reasons[3] == ""
    assert reasons[4] == f"scene {tokens[1]} has no route"
    assert reasons[5].startswith("token beefbeefbeefbeef is in none of the 2 logs")
    assert rows["score"].notna().tolist() == [False, False, True, True, False, False]


def test_a_trajectory_named_twice_is_refused(
    caches: SceneCaches, tokens: list[str], tmp_path: Path
) -> None:
    table = _table([(tokens[0], "a", _flat(1.0)), (tokens[0], "a", _flat(2.0))])
    with pytest.raises(DataError, match=f"token {tokens[0]}, candidate a"):
        _score(table, caches, tmp_path / "parts")


def test_damaged_caches_are_built_again(
    caches: SceneCaches, tokens: list[str], scorer: FakeScorer
) -> None:
    caches.get(tokens[0])
    caches.get(tokens[0])
    assert scorer.built == [tokens[0]]
    (caches.folder / f"{tokens[0]}.npz").write_text("half", encoding="utf-8")
    caches.get(tokens[0])
    assert scorer.built == [tokens[0]] * 2


def test_changed_data_is_another_folder_of_caches(small_split: Path, tmp_path: Path) -> None:
    def digest() -> str:
        return SceneCaches(small_split, small_split / "maps", "small", tmp_path).digest

    before = digest()
    assert digest() == before
    (small_split / "maps" / "us-ma-boston" / "1" / "map.gpkg").write_bytes(b"changed")
    assert digest() != before


def test_workers_give_the_same() -> None:
    tasks = list(range(7))
    expected = [math.factorial(number) for number in tasks]
    assert list(run_tasks(math.factorial, tasks, "sequential")) == expected
    assert sorted(run_tasks(math.factorial, tasks, "processes", 2)) == expected
    with pytest.raises(ConfigError, match="worker=threads is unknown"):
        list(run_tasks(math.factorial, tasks, "threads"))


def test_worker_processes_use_one_thread_each() -> None:
    before = os.environ.get("OPENBLAS_NUM_THREADS")
    assert set(run_tasks(os.getenv, ["OPENBLAS_NUM_THREADS"] * 4, "processes", 2)) == {"1"}
    assert os.environ.get("OPENBLAS_NUM_THREADS") == before


def test_ray_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match="Ray is not installed"):
        list(run_tasks(math.factorial, [1, 2], "ray"))


def test_unknown_protocols_are_refused(caches: SceneCaches, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="protocol=pdms_v9 is unknown"):
        score_trajectories(
            _table([]), caches, PartStore(tmp_path, ROW_KEYS, {}), protocol="pdms_v9"
        )

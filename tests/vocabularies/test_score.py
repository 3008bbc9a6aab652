"""Scores of a vocabulary are `pdm.score`'s, in files that survive a stop, and in GTRS's form."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reworld_agent import pdm, vocabularies
from reworld_agent.cli.main import main
from reworld_agent.core.errors import ConfigError, DataError, UsageError
from reworld_agent.core.result_tables import write_parquet
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.metrics.records import Records
from reworld_agent.vocabularies import OracleSettings, gtrs
from reworld_agent.vocabularies.files import write_vocabulary
from reworld_agent.vocabularies.scene_files import paths
from tests.pdm import small_scene
from tests.vocabularies import small_split


def _expected(root: Path, poses: np.ndarray, protocol: str) -> dict[str, Records]:
    caches = SceneCaches(root, root / "maps", small_scene.SPLIT, root / "caches")
    return {
        str(frame["token"]): pdm.score(caches.get(str(frame["token"])), poses, protocol)
        for frame in small_scene.frames(n=16)[3:8]
    }


def test_scores_resume_and_the_pickle_of_gtrs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = small_split.split(monkeypatch, tmp_path)
    poses = small_split.vocabulary(tmp_path / "vocabulary.npy")
    settings = small_split.run(split, tmp_path, protocol="epdms_v2", form="gtrs", scenes_per_file=2)
    found = vocabularies.score_vocabulary(settings)
    expected = _expected(tmp_path, poses, "epdms_v2")
    assert found.scenes == len(expected) and found.failures.empty
    table = pd.concat([pd.read_parquet(path) for path in paths(found.folder)])
    assert list(table["token"]) == list(expected)
    for _, row in table.iterrows():
        for name in ("score", "ego_progress", "pdm_score", "lane_keeping_unfiltered"):
            np.testing.assert_array_equal(
                row[name], expected[row["token"]][name].astype(np.float32)
            )

    assert found.pickle is not None
    with found.pickle.open("rb") as stream:
        theirs = pickle.load(stream)
    assert type(theirs) is dict and list(theirs) == list(expected)
    token = next(iter(theirs))
    assert set(theirs[token]) == {*gtrs.METRICS, "pdm_score"}
    first = theirs[token]["no_at_fault_collisions"]
    assert first.flags.writeable and first.dtype == np.float32  # torch.from_numpy takes it
    np.testing.assert_array_equal(
        first, expected[token]["no_at_fault_collisions_unfiltered"].astype(np.float32)
    )
    assert b"numpy._core" not in found.pickle.read_bytes()  # which NumPy 1 does not know

    kept, lost, damaged = paths(found.folder)
    times = kept.stat().st_mtime_ns
    before = lost.read_bytes()
    lost.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-9])
    vocabularies.score_vocabulary(settings)
    assert kept.stat().st_mtime_ns == times and lost.read_bytes() == before


def test_a_folder_holds_scores_of_one_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = small_split.split(monkeypatch, tmp_path)
    small_split.vocabulary(tmp_path / "vocabulary.npy")
    vocabularies.score_vocabulary(small_split.run(split, tmp_path))
    np.save(tmp_path / "vocabulary.npy", np.zeros((4, 8, 3)))
    with pytest.raises(ConfigError, match=f"{tmp_path}/scores holds .* another vocabulary"):
        vocabularies.score_vocabulary(small_split.run(split, tmp_path))
    again = vocabularies.score_vocabulary(small_split.run(split, tmp_path, resume=False))
    assert again.scenes == 5
    with pytest.raises(UsageError, match="form=gtrs with protocol=pdms_v1"):
        small_split.run(split, tmp_path, form="gtrs")


def test_the_oracle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = small_split.split(monkeypatch, tmp_path)
    poses = small_split.vocabulary(tmp_path / "vocabulary.npy")
    vocabularies.score_vocabulary(small_split.run(split, tmp_path))
    settings = OracleSettings(
        scores=tmp_path / "scores", output=tmp_path / "oracle.parquet", top=(1, 2, 99)
    )
    found = vocabularies.oracle(settings)
    expected = _expected(tmp_path, poses, "pdms_v1")
    for _, row in found.rows.iterrows():
        scores = expected[row["token"]]["score"].astype(np.float32)
        assert row["score_best"] == scores.max() and row["score_best_index"] == scores.argmax()
        assert row["score_nearest_1"] == scores[2]  # the logged car keeps 5 m/s
        assert row["score_nearest_2"] == scores[2:].max()
        assert row["min_ade_m"] == pytest.approx(0.0, abs=1e-4)
    _refuses_what_is_not_whole(settings, poses)
    assert "score_nearest_99" not in found.rows
    assert "5 scenes, 4 trajectories" in found.text()
    with pytest.raises(UsageError, match="top= names nothing"):
        replace(settings, top=())
    with pytest.raises(DataError, match="name the output folder"):
        vocabularies.oracle(OracleSettings(scores=tmp_path, output=tmp_path / "o.parquet"))


def _refuses_what_is_not_whole(settings: OracleSettings, poses: np.ndarray) -> None:
    first = paths(settings.scores)[0]
    content = first.read_bytes()
    table = pq.read_table(first)
    better = pa.array([[1.0] * len(poses)] * len(table), table.schema.field("score").type)
    edited = table.set_column(table.schema.get_field_index("score"), "score", better)
    for told in (edited, edited.replace_schema_metadata(None)):
        pq.write_table(told, first)
        with pytest.raises(DataError, match="is not what was written"):
            vocabularies.oracle(settings)
    first.unlink()
    with pytest.raises(DataError, match="4 of 5 scenes are there, the run is unfinished"):
        vocabularies.oracle(settings)
    first.write_bytes(content)
    write_vocabulary(settings.scores / "vocabulary.npy", 2.0 * poses)
    with pytest.raises(DataError, match=r"vocabulary\.npy is not the vocabulary"):
        vocabularies.oracle(settings)
    write_vocabulary(settings.scores / "vocabulary.npy", poses)
    vocabularies.oracle(settings)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 8, 2)), r"shape \[4, 8, 2\]"),
        (np.zeros((8, 3)), r"shape \[8, 3\]"),
        (np.full((2, 8, 3), np.nan), "not finite"),
        (np.full((2, 8, 3), 90.0), "look like degrees"),
        (np.zeros((2, 7, 3)), "interval_s is not given"),
        (np.array(["a"]), "holds <U1, no numbers"),
        (np.array([{}], dtype=object), "no npy file of numbers"),
    ],
)
def test_vocabularies_that_are_refused(array: np.ndarray, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=message):
        vocabularies.read_vocabulary(tmp_path / "v.npy")


def test_what_is_no_array(tmp_path: Path) -> None:
    (tmp_path / "v.npy").write_bytes(pickle.dumps([1]))
    with pytest.raises(DataError, match="no npy file"):
        vocabularies.read_vocabulary(tmp_path / "v.npy")


def test_an_oracle_overwrites_no_scores(tmp_path: Path) -> None:
    write_parquet(tmp_path / "scores-00000.parquet", pd.DataFrame({"token": ["a"]}), {"agent": "x"})
    with pytest.raises(UsageError, match="would overwrite the input scores="):
        OracleSettings(scores=tmp_path, output=tmp_path / "scores-00000.parquet")
    OracleSettings(scores=tmp_path, output=tmp_path / "oracle.parquet")


def test_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    split = small_split.split(monkeypatch, tmp_path)
    small_split.vocabulary(tmp_path / "v.npy")
    monkeypatch.chdir(tmp_path)
    filters = [
        f"train_test_split.scene_filter.{name}={getattr(split.scene_filter, name)}"
        for name in ("num_history_frames", "num_future_frames", "frame_interval")
    ]
    of = [
        "worker=sequential",
        "cache_dir=caches",
        f"train_test_split.data_split={split.data_split}",
    ]
    assert main(["vocabulary", "score", "vocabulary=v.npy", "output_dir=o", *of, *filters]) == 0
    assert main(["vocabulary", "oracle", "o", "output=oracle.parquet"]) == 0
    said = capsys.readouterr().out
    assert "5 scenes scored: o/scores-*.parquet" in said and "5 scenes, 4 trajectories" in said

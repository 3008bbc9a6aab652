"""The whole run, and every bad input that it must survive or refuse with a clear line."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from omegaconf import DictConfig, OmegaConf

from reworld_agent.analysis.tables.score_tables import read_table
from reworld_agent.cli.commands import score
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.result_tables import read_provenance
from reworld_agent.evaluation import EvaluationRun
from tests.evaluation.fakes import FakeScorer
from tests.scenes.small_logs import SPLIT, make_log, write_images, write_split
from tests.scenes.test_unpickle import _Attack

LOOKING = "tests.evaluation.fakes.LookingAgent"


def _config(output_dir: Path, agent: str = LOOKING, **settings: Any) -> DictConfig:
    scene_filter = {"frame_interval": 1, **settings.pop("scene_filter", {})}
    return OmegaConf.create(
        {
            "agent": {"_target_": agent},
            "train_test_split": {"data_split": SPLIT, "scene_filter": scene_filter},
            "output_dir": str(output_dir),
            "experiment_name": "test",
            "worker": "sequential",
            "workers": None,
            "batch_size": 4,
            "protocol": "pdms_v1",
            "cache_dir": str(output_dir.parent / "caches"),
            "beside": [],
            "resume": True,
            **settings,
        }
    )


def run(cfg: DictConfig) -> int:
    """What `reworld score` does with a composed configuration; its exit code."""
    return score.run(EvaluationRun.from_config(cfg))


def _logs(root: Path) -> Path:
    return root / "navsim_logs" / SPLIT


def _spoil_frame(root: Path, log: str, index: int, spoil: Any) -> str:
    """Change one frame of a log on disk; returns its token."""
    frames = make_log(log, 20)
    spoil(frames[index])
    write_split(root, {log: frames})
    return frames[index]["token"]


def test_a_run_writes_all_tables(
    small_split: Path, scorer: FakeScorer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(_config(tmp_path / "out", beside=["human", "constant_velocity"])) == 0
    for folder, name in (("out", "LookingAgent"), ("out/human", "human")):
        table = pd.read_parquet(tmp_path / folder / "pdm_scores.parquet")
        assert len(table) == 15
        assert table["token"].iloc[-1] == "average"
        assert table["valid"].all()
        assert table["score"].iloc[-1] == pytest.approx(0.0325)
        origin = read_provenance(tmp_path / folder / "pdm_scores.parquet")
        assert (origin["agent"], origin["tokens"], origin["split"]) == (name, 14, SPLIT)
        assert len(pd.read_parquet(tmp_path / folder / "trajectories.parquet")) == 14
        assert len(pd.read_csv(tmp_path / folder / "pdm_scores.csv")) == 15
    printed = capsys.readouterr().out
    assert "protocol pdms_v1" in printed
    for name in ("LookingAgent", "human", "constant_velocity"):
        assert name in printed
    assert len(scorer.built) == 14  # one cache for all agents


def test_both_protocols_from_one_run(
    small_split: Path, scorer: FakeScorer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(_config(tmp_path / "out", protocol="both")) == 0
    table = pd.read_parquet(tmp_path / "out" / "pdm_scores.parquet")
    names = {name for name in table.columns if name not in ("token", "valid")}
    assert all(name.startswith(("pdms_v1_", "epdms_v2_")) for name in names)
    assert table["pdms_v1_score"].tolist() == table["epdms_v2_score"].tolist()
    assert read_provenance(tmp_path / "out" / "pdm_scores.parquet")["protocol"] == "both"
    assert len(scorer.scored) == 14
    printed = capsys.readouterr().out
    assert "protocol pdms_v1" in printed and "protocol epdms_v2" in printed
    for name in ("pdms_v1", "epdms_v2"):
        read = read_table(tmp_path / "out", name)
        assert read.protocol.name == name and len(read.frame) == 14


def test_a_second_run_in_the_same_folder_does_nothing_twice(
    small_split: Path, scorer: FakeScorer, tmp_path: Path
) -> None:
    run(_config(tmp_path / "out", scene_filter={"log_names": ["a"]}))
    assert len(scorer.scored) == 7
    run(_config(tmp_path / "out"))
    assert len(scorer.scored) == 14
    assert len(pd.read_parquet(tmp_path / "out" / "pdm_scores.parquet")) == 15
    run(_config(tmp_path / "out", resume=False))
    assert len(scorer.scored) == 28


SCENE_FAULTS = {
    "nan": (
        lambda frame: frame["ego_dynamic_state"].__setitem__(0, np.nan),
        "ego_dynamic_state is not finite",
    ),
    "unequal": (
        lambda frame: frame["anns"]["track_tokens"].append("one more"),
        "annotation arrays differ in length",
    ),
}


@pytest.mark.parametrize("fault", SCENE_FAULTS)
def test_a_bad_frame_costs_its_scenes_and_the_average(
    small_split: Path,
    scorer: FakeScorer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    spoil, message = SCENE_FAULTS[fault]
    token = _spoil_frame(small_split, "a", 15, spoil)
    assert run(_config(tmp_path / "out")) == 1
    table = pd.read_parquet(tmp_path / "out" / "pdm_scores.parquet")
    valid = int(table["valid"].iloc[:-1].sum())
    assert 7 <= valid < 14
    assert not table["valid"].iloc[-1]
    assert np.isnan(table["score"].iloc[-1])
    captured = capsys.readouterr()
    assert f"INCOMPLETE {valid}/14" in captured.out
    assert "a.pkl" in captured.err
    assert token in captured.err
    assert message in captured.err
    failures = pd.read_csv(tmp_path / "out" / "failures.csv")
    assert len(failures) == 14 - valid
    _spoil_frame(small_split, "a", 15, lambda frame: None)  # fixed: the same folder goes on
    assert run(_config(tmp_path / "out")) == 0


@pytest.mark.parametrize("fault", ["cut", "size"])
def test_a_bad_image_costs_its_scenes(
    small_split: Path,
    blobs: Path,
    scorer: FakeScorer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    frames = make_log("a", 20)
    path = blobs / frames[9]["cams"]["CAM_F0"]["data_path"]
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:-60])
    else:
        write_images(small_split, frames[9:10], size=(16, 9))
    assert run(_config(tmp_path / "out")) == 1
    failures = pd.read_csv(tmp_path / "out" / "failures.csv")
    assert set(failures["phase"]) == {"planning"}
    assert failures["reason"].str.contains(path.name).all()
    assert failures["reason"].str.contains(frames[9]["token"]).all()
    assert "next: fix what the reasons name" in capsys.readouterr().err
    write_images(small_split, frames[9:10])  # fixed: only what failed is done again
    before = len(scorer.scored)
    assert run(_config(tmp_path / "out")) == 0
    assert len(scorer.scored) == before + len(failures)
    assert not (tmp_path / "out" / "failures.csv").exists()


def test_missing_images_and_maps_stop_the_run_before_it_starts(
    small_split: Path, blobs: Path, scorer: FakeScorer, tmp_path: Path
) -> None:
    path = blobs / make_log("a", 20)[3]["cams"]["CAM_F0"]["data_path"]
    path.unlink()
    with pytest.raises(DataError, match=f"1 images of 20 are missing: .*{path.name}"):
        run(_config(tmp_path / "out"))
    assert run(_config(tmp_path / "out2", "reworld_agent.baselines.ConstantVelocityAgent")) == 0
    (small_split / "maps" / "us-ma-boston" / "1" / "map.gpkg").unlink()
    with pytest.raises(DataError, match="city maps"):
        run(_config(tmp_path / "out3"))


def test_missing_truncated_and_hostile_logs_stop_the_run(
    small_split: Path, scorer: FakeScorer, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"first gone"):
        run(_config(tmp_path / "out", scene_filter={"log_names": ["a", "gone"]}))
    log = _logs(small_split) / "a.pkl"
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.pkl: not a whole pickle"):
        run(_config(tmp_path / "out"))
    log.write_bytes(pickle.dumps([_Attack(tmp_path / "owned")]))
    with pytest.raises(DataError, match=r"a\.pkl.*mkdir"):
        run(_config(tmp_path / "out"))
    assert not (tmp_path / "owned").exists()


def test_tokens_that_are_not_in_the_split_stop_the_run(
    small_split: Path, scorer: FakeScorer, tmp_path: Path
) -> None:
    token = make_log("a", 20)[5]["token"]
    with pytest.raises(ConfigError, match="1 tokens asked for are not in the split: fffffff0"):
        run(_config(tmp_path / "out", scene_filter={"tokens": [token, "fffffff000000000"]}))


def test_an_output_folder_that_cannot_be_written_stops_the_run(
    small_split: Path, scorer: FakeScorer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cannot be written: .*file is not a folder"):
        run(_config(tmp_path / "file" / "out"))


def test_a_disk_that_fills_up_keeps_what_was_written(
    small_split: Path, scorer: FakeScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pq.write_table

    def fill(table: Any, target: Path, **options: Any) -> None:
        if "pdm_scores" in str(target):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(table, target)

    monkeypatch.setattr(pq, "write_table", fill)
    with pytest.raises(DataError, match=r"pdm_scores\.parquet: the disk is full"):
        run(_config(tmp_path / "out"))
    assert len(pd.read_parquet(tmp_path / "out" / "trajectories.parquet")) == 14
    monkeypatch.undo()
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(small_split))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(small_split / "maps"))
    again = FakeScorer().install(monkeypatch)
    assert run(_config(tmp_path / "out")) == 0
    assert again.scored == []  # the scores were kept


def test_another_agent_in_an_old_folder_is_refused(
    small_split: Path, scorer: FakeScorer, tmp_path: Path
) -> None:
    run(_config(tmp_path / "out"))
    with pytest.raises(ConfigError, match="unfinished run with another agent"):
        run(_config(tmp_path / "out", "reworld_agent.baselines.ConstantVelocityAgent"))


def test_other_arguments_of_the_agent_are_another_run(
    small_split: Path, scorer: FakeScorer, tmp_path: Path
) -> None:
    """Plans that were made with others would be taken for this agent's."""
    cfg = _config(tmp_path / "out")
    for interval in (0.5, 0.5, 0.25):
        cfg.agent = {"_target_": LOOKING, "interval_length": interval}
        if interval == 0.25:
            with pytest.raises(ConfigError, match="an unfinished run with another arguments"):
                run(cfg)
        else:
            assert run(cfg) == 0
    cfg.resume = False
    assert run(cfg) == 0
    plans = pd.read_parquet(tmp_path / "out" / "trajectories.parquet")
    assert set(plans["interval_s"]) == {0.25}


def test_an_agent_that_never_plans_says_why(
    small_split: Path, scorer: FakeScorer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(_config(tmp_path / "out", "tests.evaluation.fakes.FailingAgent")) == 1
    printed = capsys.readouterr()
    assert "INCOMPLETE 0/14" in printed.out and "RuntimeError: no plan today" in printed.err
    assert len(pd.read_csv(tmp_path / "out" / "failures.csv")) == 14


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"protocol": "epdms"}, "protocol=epdms must be one of pdms_v1, epdms_v2, both"),
        ({"worker": "threads"}, "worker=threads must be one of"),
        ({"batch_size": 0}, "batch_size=0 must be an integer of at least 1"),
        ({"beside": ["nobody"]}, "the agent 'nobody' cannot be composed"),
        ({"beside": "nobody"}, "the agent 'nobody' cannot be composed"),
        ({"agent": "tests.evaluation.fakes.NoSuchAgent"}, "cannot be built"),
        ({"agent": "tests.evaluation.fakes.UnbuiltAgent"}, r"cannot be built: ValueError: no luck"),
        (
            {"scene_filter": {"has_rout": True}},
            r"scene_filter.has_rout= is unknown\n.*scene_filter.has_route=",
        ),
    ],
)
def test_wrong_settings_are_named(
    small_split: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(_config(tmp_path / "out", **settings))

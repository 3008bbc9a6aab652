"""The private test: both stages are planned and submitted without a mapping, and not scored."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from reworld_agent.cli.arguments import read_arguments
from reworld_agent.core.errors import ConfigError, UsageError
from reworld_agent.core.findings import OK, Finding
from reworld_agent.doctor.data import check_data
from reworld_agent.evaluation import EvaluationRun
from reworld_agent.evaluation.plans_only import PlannedStages
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.scenes.types import SensorConfig
from reworld_agent.submission import reader, submit
from reworld_agent.submission.settings import SubmitSettings
from tests.evaluation.fakes import FakeScorer, LookingAgent
from tests.evaluation.test_run import _config, run
from tests.scenes.small_logs import make_log

SPLIT = "private_test_hard"
Frames = list[dict[str, Any]]


def _private(name: str, number: int = 0) -> Frames:
    """Five frames as the challenge gives them: no objects, no lidar."""
    frames = make_log(name, 5, speed=5.0 + ord(name[-1]) % 7)
    for index, frame in enumerate(frames):
        del frame["anns"], frame["lidar_path"]
        frame["scene_token"], frame["frame_idx"] = f"scene-{name}", index
        frame["roadblock_ids"] = []
        if number:  # a synthetic one, whose clock stands still
            frame["token"] = f"{number:016x}{index}"
            frame["timestamp"] = 1_600_000_000_000_000
    return frames


def _images(blobs: Path, frames: Frames) -> None:
    for frame in frames:
        path = blobs / frame["cams"]["CAM_F0"]["data_path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 18)).save(path)


@pytest.fixture
def split(small_split: Path) -> dict[str, list[str]]:
    """Three scenes in one file, two synthetic ones, below the data root; the tokens to plan."""
    logged = [_private(name) for name in ("x", "y", "z")]
    synthetic = {f"s{number}": _private(f"s{number}", number) for number in (1, 2)}
    logs = small_split / "navsim_logs" / SPLIT
    meta = small_split / f"{SPLIT}_two_stage" / "openscene_meta_datas"
    for folder in (logs, meta):
        folder.mkdir(parents=True)
    (logs / f"{SPLIT}.pkl").write_bytes(pickle.dumps([f for scene in logged for f in scene]))
    for name, frames in synthetic.items():
        (meta / f"{name}.pkl").write_bytes(pickle.dumps(frames))
        _images(meta.parent / "sensor_blobs", frames)
    for frames in logged:
        _images(small_split / "sensor_blobs" / SPLIT, frames)
    return {
        "tokens": [frames[k]["token"] for frames in logged for k in (3, 4)],
        "reactive_synthetic_initial_tokens": [
            frames[k]["token"] for frames in synthetic.values() for k in (3, 4)
        ],
    }


def _of(split: dict[str, list[str]], output: Path, **settings: Any) -> DictConfig:
    scene_filter = {
        "num_history_frames": 4,
        "num_future_frames": 8,
        "include_synthetic_scenes": True,
        **split,
    }
    config = _config(output, protocol="epdms_v2", **settings)
    config.train_test_split = {
        "data_split": SPLIT,
        "scene_filter": scene_filter,
        "reactive_all_mapping": None,
    }
    return config


def test_planned_and_submitted_without_a_mapping(
    split: dict[str, list[str]],
    scorer: FakeScorer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = _of(split, tmp_path / "out", beside=["constant_velocity"])
    assert run(config) == 0
    out = capsys.readouterr().out
    assert "LookingAgent: 10 of 10 frames of both stages planned" in out
    assert "next: reworld submit" in out
    plans = pd.read_parquet(tmp_path / "out" / "trajectories.parquet")
    wanted = [token for tokens in split.values() for token in tokens]
    assert sorted(plans["token"]) == sorted(wanted)
    assert not (tmp_path / "out" / "pdm_scores.parquet").exists()
    assert not scorer.built
    assert run(config) == 0  # nothing is planned twice
    hydra = tmp_path / "out" / "code" / "hydra"
    hydra.mkdir(parents=True)
    OmegaConf.save(config, hydra / "config.yaml")
    file = tmp_path / "s.pkl"
    words = ["version=2.2", f"output={file}", "email=x@y.de", "team_name=x", "authors=x"]
    words += ["institution=x", "country=x"]
    found: list[Finding] = []
    settings = read_arguments(SubmitSettings, [str(tmp_path / "out"), *words], "")
    verdict = submit(settings, found.append)
    assert verdict.passes
    stages = list(reader.read(file).stages.values())
    assert [sorted(stage[0]) for stage in stages] == [sorted(tokens) for tokens in split.values()]


def test_what_is_missing_is_said_before_the_run(
    split: dict[str, list[str]], small_split: Path, scorer: FakeScorer, tmp_path: Path
) -> None:
    folder = small_split / f"{SPLIT}_two_stage"
    settings = EvaluationRun.from_config(_of(split, tmp_path / "out"))
    sensors = LookingAgent().get_sensor_config()
    (folder / "openscene_meta_datas" / "s2.pkl").unlink()
    next((folder / "sensor_blobs" / "s1").rglob("*.jpg")).unlink()
    found = PlannedStages(settings, resolve_split(SPLIT), sensors).preflights()
    assert not list(found["stage one"].errors())
    unknown, images = found["stage two"].errors()
    assert unknown.message.startswith("2 tokens asked for are not in the split")
    assert "1 images of" in images.message
    with pytest.raises(ConfigError, match="2 tokens asked for"):
        run(_of(split, tmp_path / "out"))


def test_a_window_over_two_scenes_is_named(split: dict[str, list[str]], small_split: Path) -> None:
    wanted = {**split, "tokens": [*split["tokens"], make_log("y", 5)[0]["token"]]}
    settings = EvaluationRun.from_config(_of(wanted, small_split / "out"))
    loader = PlannedStages(settings, resolve_split(SPLIT), SensorConfig.build_no_sensors())
    report = loader.preflights()["stage one"]
    assert report.faults.count == 1 and "of the log 'y', the one before it of 'x'" in (
        report.faults.summary(7)
    )
    with pytest.raises(ConfigError, match="private test"):
        loader.get_scene_from_token(wanted["tokens"][0])


def test_stage_two_is_found_by_its_scenes(small_split: Path, tmp_path: Path) -> None:
    """Several downloads of two stages lie side by side, all over the logs of one split."""
    for name, token in (("navhard_two_stage", "a" * 17), ("warmup_two_stage", "b" * 17)):
        (small_split / name / "synthetic_scene_pickles").mkdir(parents=True)
        (small_split / name / "synthetic_scene_pickles" / f"{token}.pkl").write_bytes(b"")
    for token, name in (("a", "navhard_two_stage"), ("b", "warmup_two_stage")):
        config = _config(tmp_path / "out", protocol="epdms_v2", two_stage=True)
        pair = [token * 17, token * 17]
        config.train_test_split.reactive_all_mapping = [["1", "2", [pair]]]
        scenes, sensors = EvaluationRun.from_config(config).synthetic_folders()
        assert scenes == small_split / name / "synthetic_scene_pickles"
        assert sensors == small_split / name / "sensor_blobs"
    config.train_test_split.reactive_all_mapping = None
    with pytest.raises(UsageError, match="neither a reactive_all_mapping nor"):
        EvaluationRun.from_config(config)


def test_the_doctor_looks_at_both_stages(split: dict[str, list[str]]) -> None:
    words = [f"train_test_split.data_split={SPLIT}", "agent=reworld"]
    words += [
        f"+train_test_split.scene_filter.{key}=[{','.join(repr(token) for token in tokens)}]"
        for key, tokens in split.items()
        if key != "tokens"
    ]
    words.append(f"train_test_split.scene_filter.tokens=[{','.join(map(repr, split['tokens']))}]")
    words.append("+train_test_split.scene_filter.include_synthetic_scenes=true")
    found = {finding.name: finding for finding in check_data(words)}
    assert {name: finding.status for name, finding in found.items()} == {
        f"{stage}: {kind}": OK
        for stage in ("stage one", "stage two")
        for kind in ("scenes", "images")
    }

"""Two stages of NAVSIM v2, from files to the table, by both commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from reworld_agent.cli.arguments import read_arguments
from reworld_agent.cli.commands.score_trajectories import run as score_command
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.result_tables import read_provenance
from reworld_agent.core.vocabulary import GROUP_SCORES
from reworld_agent.evaluation import ScoreFileSettings
from reworld_agent.evaluation.file_scores import caches_of
from reworld_agent.evaluation.two_stage import SUMMARIES, read_mapping
from reworld_agent.pdm.plan_rows import plan_row
from reworld_agent.pdm.protocols.aggregate import COLUMNS, read_groups, two_stages
from reworld_agent.scenes.logs import load_log
from tests.evaluation.fakes import FakeScorer
from tests.evaluation.test_run import run
from tests.scenes.scene_pickle_files import NuPlan, write_scene_pickle
from tests.scenes.small_logs import SPLIT

NOW = 5


@pytest.fixture
def mapping(
    devkit_reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[list[Any]]:
    """Two groups of split `toy`, with two pairs of synthetic scenes each in `tmp_path`."""
    nuplan = NuPlan(monkeypatch)
    groups: list[list[Any]] = []
    logs = sorted((devkit_reference / "navsim_logs" / "toy").glob("*.pkl"))[:2]
    for path in logs:
        frames = load_log(path)
        pairs: list[list[str]] = []
        for shift in ((0.5, 0.2), (-0.3, -0.6)):
            pair = [f"{len(groups)}{len(pairs)}{back}{'f' * 14}" for back in (0, 1)]
            for back, token in enumerate(pair):
                at = NOW + 8 - back
                write_scene_pickle(nuplan, tmp_path / "synthetic", frames, at, token, shift)
            pairs.append(pair)
        groups.append([frames[NOW]["token"], frames[NOW - 1]["token"], pairs])
    (tmp_path / "split.yaml").write_text(json.dumps({"reactive_all_mapping": groups}))
    return groups


def parse(arguments: list[str]) -> ScoreFileSettings:
    return read_arguments(ScoreFileSettings, arguments, "")


def _plans(mapping: list[list[Any]]) -> pd.DataFrame:
    tokens = [t for now, before, pairs in mapping for t in (now, before, *np.ravel(pairs).tolist())]
    straight = np.column_stack([np.arange(1, 9) * 3.0, np.zeros(8), np.zeros(8)])
    return pd.DataFrame({"token": tokens, "poses": [straight.ravel().tolist()] * len(tokens)})


def _words(root: Path, folder: Path, *more: str) -> list[str]:
    return [
        f"trajectories={folder / 'in.parquet'}",
        f"data_root={root}",
        f"maps_root={root / 'maps'}",
        "data_split=toy",
        f"output={folder / 'out.parquet'}",
        f"cache_dir={folder / 'caches'}",
        "protocol=epdms_v2",
        "two_stage=true",
        f"synthetic_scenes={folder / 'synthetic'}",
        f"mapping={folder / 'split.yaml'}",
        "worker=sequential",
        *more,
    ]


def test_a_file_of_plans_for_both_stages(
    devkit_reference: Path,
    tmp_path: Path,
    mapping: list[list[Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    plans = _plans(mapping)
    plans.to_parquet(tmp_path / "in.parquet")
    request = parse(_words(devkit_reference, tmp_path, "traffic=log_replay"))
    assert score_command(request) == 0
    caches = caches_of(request)
    pairs = zip(plans["token"], plans["poses"], strict=True)
    rows = [plan_row(caches.get(token), np.reshape(poses, (8, 3))) for token, poses in pairs]
    expected = two_stages(pd.DataFrame(rows), read_groups(mapping)).summary
    table = pd.read_parquet(request.stages_output).set_index("token")
    assert table.index[-3:].tolist() == list(SUMMARIES.values())
    for stage, token in SUMMARIES.items():
        assert table.loc[token, "score"] == pytest.approx(expected.loc[stage, "score"], abs=1e-12)
        for part in ("stage_one", "stage_two"):
            known = [f"{name}_{part}" for name in COLUMNS if name != "score"]
            values = table.loc[token, known].to_numpy(float)
            if stage in (part, "combined"):
                np.testing.assert_allclose(values, expected.loc[part, list(COLUMNS[:-1])])
            else:
                assert np.isnan(values).all()
    assert len(pd.read_csv(request.stages_output.with_suffix(".csv"))) == len(plans) + 3
    assert "combined" in capsys.readouterr().out


def test_reactive_is_what_two_stages_mean(
    devkit_reference: Path, tmp_path: Path, mapping: list[list[Any]]
) -> None:
    _plans(mapping).to_parquet(tmp_path / "in.parquet")
    words = _words(devkit_reference, tmp_path)
    assert parse(words).traffic_used == "reactive"
    with pytest.raises(ConfigError, match="protocol=pdms_v1"):
        parse([w.replace("epdms_v2", "pdms_v1") for w in words])
    words = [word for word in words if not word.startswith("mapping=")]
    with pytest.raises(ConfigError, match="without mapping="):
        parse(words)
    with pytest.raises(ConfigError, match="traffic=reactive is of NAVSIM v2"):
        parse([*words[:6], "traffic=reactive"])


def test_no_score_of_a_part(
    devkit_reference: Path, tmp_path: Path, mapping: list[list[Any]]
) -> None:
    plans = _plans(mapping)
    plans.iloc[:-1].to_parquet(tmp_path / "in.parquet")
    request = parse(_words(devkit_reference, tmp_path, "traffic=log_replay"))
    assert score_command(request) == 1
    table = pd.read_parquet(request.stages_output)
    assert table["score"].isna().all() and not table["valid"].iloc[-3:].any()
    pd.concat([plans, plans.iloc[:1]]).assign(candidate=range(len(plans) + 1)).to_parquet(
        tmp_path / "in.parquet"
    )
    with pytest.raises(ConfigError, match="one plan a frame"):
        score_command(request)


def test_mappings_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    for text, message in (("a: 1", "no list"), ("[", "not a readable"), ("[[a, b]]", "is not")):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read_mapping(path)


def test_an_agent_drives_both_stages(
    devkit_reference: Path,
    tmp_path: Path,
    mapping: list[list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(devkit_reference))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(devkit_reference / "maps"))
    monkeypatch.setattr("reworld_agent.evaluation.run.require_trust", lambda *_: None)
    scene_filter = {"frame_interval": 1, "num_future_frames": 8, "include_synthetic_scenes": True}
    config = OmegaConf.create(
        {
            "agent": {"_target_": "reworld_agent.baselines.ConstantVelocityAgent"},
            "train_test_split": {
                "data_split": "toy",
                "scene_filter": scene_filter,
                "reactive_all_mapping": mapping,
            },
            "output_dir": str(tmp_path / "out"),
            "cache_dir": str(tmp_path / "caches"),
            "worker": "sequential",
            "protocol": "epdms_v2",
            "traffic": "log_replay",
            "synthetic_scenes_path": str(tmp_path / "synthetic"),
            "synthetic_sensor_path": str(tmp_path),
        }
    )
    assert run(config) == 0
    groups = read_provenance(tmp_path / "out" / "pdm_scores.parquet")[GROUP_SCORES]
    table = pd.read_parquet(tmp_path / "out" / "pdm_scores.parquet")
    assert np.mean(list(groups.values())) == pytest.approx(table["score"].iloc[-1], abs=1e-12)
    assert table["token"].iloc[-1] == SUMMARIES["combined"]
    assert len(table) == len(_plans(mapping)) + 3 and table["score"].notna().all()
    config.protocol = "both"
    with pytest.raises(ConfigError, match="two stages are of NAVSIM v2"):
        run(config)
    config.protocol = "epdms_v2"
    (tmp_path / "synthetic" / f"{mapping[0][2][0][0]}.pkl").unlink()
    with pytest.raises(DataError, match="1 of 8 synthetic scenes are missing"):
        run(config)


def test_images_of_stage_two_are_looked_for_before_the_run(
    small_split: Path, scorer: FakeScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = load_log(small_split / "navsim_logs" / SPLIT / "a.pkl")
    nuplan, pair = NuPlan(monkeypatch), ["0" * 17, "1" * 17]
    for back, token in enumerate(pair):
        write_scene_pickle(
            nuplan, tmp_path / "synthetic", frames, 11 - back, token, cameras=("cam_f0",)
        )
    now, before = frames[5]["token"], frames[4]["token"]
    config = OmegaConf.create(
        {
            "agent": {"_target_": "tests.evaluation.fakes.LookingAgent"},
            "train_test_split": {
                "data_split": SPLIT,
                "scene_filter": {"frame_interval": 1, "num_future_frames": 8},
                "reactive_all_mapping": [[now, before, [pair]]],
            },
            "output_dir": str(tmp_path / "out"),
            "worker": "sequential",
            "protocol": "epdms_v2",
            "two_stage": True,
            "synthetic_scenes_path": str(tmp_path / "synthetic"),
            "synthetic_sensor_path": str(tmp_path / "blobs"),
        }
    )
    with pytest.raises(DataError, match=r"8 images of 8 are missing: .*cam_f0/0\.jpg"):
        run(config)
    assert not (tmp_path / "out" / "trajectories.parquet").exists()

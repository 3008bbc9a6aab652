"""The chain of stages: its commands fit each other, it goes on where it stopped, it is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser

from reworld_agent.cli.main import main
from reworld_agent.core.errors import ConfigError, DataError, ReWorldError
from reworld_agent.evaluation.compose import FIT, MINE, SCORE, TRAIN, compose
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives.pool import write_pool
from reworld_agent.training import TrainRun, chain, run
from reworld_agent.training.chain import (
    Command,
    commands,
    run_chain,
    seed_table,
    setting,
    stage_scores,
)
from reworld_agent.training.demo_settings import TrainDemoSettings
from reworld_agent.training.loop.resume import finish
from reworld_agent.training.stages import load_stage
from reworld_agent.training.statistics.fit import run_statistics
from reworld_agent.training.statistics.settings import StatisticsRun
from tests.scenes.small_logs import SPLIT
from tests.training.test_data import small_loader

_OF_WEIGHTS = ("codec",)  # has its model from the weights that it reads


def test_the_commands_fit_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every training command in this process, with scoring and mining made up."""
    torch.set_num_threads(1)
    loader = small_loader(tmp_path)
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(tmp_path))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path))
    small = (
        f"train_test_split.data_split={SPLIT}",
        f"cache_path={tmp_path / 'cache'}",
        "trainer.params.accelerator=cpu",
        "+trainer.params.enable_progress_bar=false",
        "dataloader.params.batch_size=2",
        "+agent.overrides.batch_size=4",
    )

    def in_this_process(command: Command) -> int:
        if command.command == "train":
            run(TrainRun.from_config(compose([*command.arguments, *small], TRAIN)))
            return 0
        if command.command == "fit-statistics":
            cfg = compose([*command.arguments, *small[:2]], FIT)
            run_statistics(StatisticsRun.from_config(cfg))
            return 0
        if command.name == "mine":
            poses = [np.full(24, 3.0)] * len(loader)
            rows = pd.DataFrame({"token": loader.tokens, "candidate": "0", "poses": poses})
            pool = tmp_path / "out" / "pool" / "pool.parquet"
            write_pool(pool, rows.assign(score=0.1), {"split": SPLIT})
        else:
            folder = tmp_path / "out" / command.name
            folder.mkdir()
            average = pd.DataFrame({"token": ["average"], "score": [0.5]})
            average.to_csv(folder / chain.SCORES, index=False)
        return 0

    output = tmp_path / "out"
    run_chain(commands(output, TrainDemoSettings(seed=1, max_steps=2)), output, in_this_process)
    last = ReWorldModel.from_pretrained(output / "stage_3" / "weights")
    assert last.history == ["statistics", "1", "planner", "2", "3"]
    assert stage_scores(output)["stage"].tolist() == ["planner", "2", "3"]
    record = pd.read_json(output / chain.RECORD)
    assert len(record) == 9 and (record["wall_s"] >= 0).all() and (record["cpu_s"] >= 0).all()


def test_mining_and_scoring_words_are_known_to_their_commands(tmp_path: Path) -> None:
    configs = {
        "mine": MINE,
        "score": SCORE,
    }
    for command in commands(tmp_path, TrainDemoSettings(seed=3, max_scenes=5)):
        if command.command in configs:
            cfg = compose(command.arguments, configs[command.command])
            assert cfg.agent.checkpoint_path.startswith(str(tmp_path))


def test_a_model_with_a_codec_that_learns_is_trained_on_other_splits(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text("base: tiny\ncodec: {kind: conv, temporal_ratio: 1}\nstages: {1: {steps: 7}}\n")
    settings = TrainDemoSettings(
        model=str(file), data_split="town6_train", test_split="town6_test", max_scenes=4
    )
    steps = {command.name: command for command in commands(tmp_path, settings)}
    assert list(steps)[:3] == ["statistics", "codec", "stage_1"]
    codec = str(steps["codec"])
    assert codec.startswith("reworld video train-codec checkpoint_path=")
    assert "data_split=town6_train" in codec and "held_out=town6_val" in codec
    assert str(tmp_path / "codec" / "weights") in str(steps["stage_1"])
    for name, command in steps.items():
        said = str(command)
        split = "town6_test" if name.startswith("score") else "town6_train"
        assert split in said and (str(file) in said) == (name not in _OF_WEIGHTS), said
    sparse = commands(tmp_path, replace(settings, frame_interval=2))
    found = [str(command).rpartition("frame_interval=")[2][:1] for command in sparse]
    assert "".join(found) == "2r22r2r44r"  # r: codec and scores, which have none
    again = {
        command.name: str(command) for command in commands(tmp_path, replace(settings, rounds=3))
    }
    assert list(again)[-6:] == [
        "mine_2",
        "stage_3_2",
        "score_3_2",
        "mine_3",
        "stage_3_3",
        "score_3_3",
    ]
    assert list(again)[:-6] == list(steps)
    for last, number in (("3", 2), ("3_2", 3)):
        weights = f"{tmp_path}/stage_{last}/weights"
        assert f"agent.checkpoint_path={weights}" in again[f"mine_{number}"]
        assert f"agent.init_from={weights}" in again[f"stage_3_{number}"]
        assert f"/pool_{number}/pool.parquet" in again[f"stage_3_{number}"]
    more = "video: {backbone: world_action}\nactions: {numbers: 4}\n"
    file.write_text(f"base: tiny\ncodec: {{kind: repwam}}\n{more}")
    repwam = commands(tmp_path, TrainDemoSettings(model=str(file), data_split="town6_train"))
    names = ["statistics", "codec", "actions", "stage_1"]
    assert [command.name for command in repwam[:4]] == names
    losses = ["mse=0", "l1=1", "lpips=1", "align=1"]
    assert all(word in repwam[1].arguments for word in losses)
    acts = str(repwam[2])
    assert acts.startswith("reworld video train-actions checkpoint_path=")
    assert str(tmp_path / "codec" / "weights") in acts
    assert str(tmp_path / "actions" / "weights") in str(repwam[3])
    assert "codec" not in [command.name for command in commands(tmp_path, TrainDemoSettings())]
    file.write_text("base: tiny\nstages: {1: {steps: 7}}\n")
    assert load_stage("1", model=str(file)).steps == 7
    assert load_stage("planner", model=str(file)) == load_stage("planner", model="tiny")
    file.write_text("base: tiny\nstages: {5: {steps: 7}}\n")
    with pytest.raises(ConfigError, match="stages has 5"):
        load_stage("1", model=str(file))
    file.write_text("base: tiny\nstages: {1: {stpes: 7}}\n")
    with pytest.raises(ConfigError, match="stpes"):
        load_stage("1", model=str(file))
    file.write_text("base: tiny\nstages: [1]\n")
    with pytest.raises(ConfigError, match="stages = "):
        load_stage("1", model=str(file))


def test_what_a_later_command_would_refuse_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "small.yaml"
    file.write_text("base: tiny\nstages: {3: {stpes: 7}}\n")
    for word, said in (("data_split=town_val", "no hard negatives"), (f"model={file}", "stpes")):
        assert main(["train-demo", f"output_dir={tmp_path / 'out'}", word]) != 0
        assert said in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["plain", "a b=c,d", "it's", "{x}[y]", "back\\", "back\\'s", "ü(1)", "#;:", '"q"']
)
def test_any_path_reaches_hydra_whole(name: str, tmp_path: Path) -> None:
    parser, folder = OverridesParser.create(), tmp_path / name
    assert parser.parse_override(setting("key", folder)).value() == str(folder)
    for command in commands(folder, TrainDemoSettings()):
        for word in command.arguments:
            if word.startswith("output_dir"):
                value = parser.parse_override(word).value()
                assert isinstance(value, str) and str(folder) in value


def test_a_chain_goes_on_after_what_is_done(tmp_path: Path) -> None:
    steps = commands(tmp_path, TrainDemoSettings(seed=1))
    seen: list[str] = []

    def until_planner(command: Command) -> int:
        seen.append(command.name)
        return int(command.name == "stage_planner")

    def whole(command: Command) -> int:
        seen.append(command.name)
        return 0

    with pytest.raises(ReWorldError, match="stage_planner ended with code 1"):
        run_chain(steps, tmp_path, until_planner)
    assert seen == ["statistics", "stage_1", "stage_planner"]
    seen.clear()
    run_chain(steps, tmp_path, whole)
    assert seen[0] == "stage_planner" and len(seen) == 7
    seen.clear()
    run_chain(commands(tmp_path, TrainDemoSettings(seed=2)), tmp_path, whole)
    assert len(seen) == 9  # other words: all of it again


def test_a_finished_training_that_the_record_lacks_is_repeated(tmp_path: Path) -> None:
    """Or the record would hold the time of doing nothing."""
    steps = commands(tmp_path, TrainDemoSettings(seed=1))[:2]
    finish(tmp_path / "stage_1", "weights")
    given: list[Command] = []

    def noted(command: Command) -> int:
        given.append(command)
        return 0

    run_chain(steps, tmp_path, noted)
    assert given == [steps[0], replace(steps[1], arguments=(*steps[1].arguments, "resume=false"))]
    assert chain.read_times(tmp_path)[1].command == str(steps[1])


def test_table_over_seeds(tmp_path: Path) -> None:
    for seed, values in ((1, (0.5, 0.7)), (2, (0.6, 0.8))):
        for stage, value in zip(("planner", "3"), values, strict=True):
            folder = tmp_path / str(seed) / f"score_{stage}"
            folder.mkdir(parents=True)
            row = {"token": ["a", "average"], "valid": True, "score": [0.0, value]}
            pd.DataFrame(row).to_csv(folder / chain.SCORES, index=False)
    table = seed_table([tmp_path / "1", tmp_path / "2"]).set_index("stage")
    assert table["score"].to_dict() == pytest.approx({"planner": 0.55, "3": 0.75})
    assert table["seeds"].tolist() == [2, 2]
    assert table.loc["3", "score_std"] == pytest.approx(0.05 * 2**0.5)


def test_damaged_record_and_missing_scores_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no score"):
        stage_scores(tmp_path)
    (tmp_path / chain.RECORD).write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        run_chain(commands(tmp_path, TrainDemoSettings()), tmp_path, lambda command: 0)

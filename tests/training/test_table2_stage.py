"""`protocol=table2 representation=NAME` in run_training.py: every method, its mistakes, its end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from reworld_agent.cli.main import main
from reworld_agent.clips.index import read_index
from reworld_agent.core.errors import ConfigError, DataError, WeightsError
from reworld_agent.model import ReWorldModel
from reworld_agent.objectives.baselines import encoder_of
from reworld_agent.objectives.baselines.encoders import FrozenEncoder
from reworld_agent.training import TrainRun, run
from reworld_agent.training.datasets.held_out import spread
from reworld_agent.training.hydra_stage import StageCallback
from reworld_agent.training.stages import load_stage
from reworld_agent.training.table2 import stage
from reworld_agent.training.table2.build import build_module
from reworld_agent.training.table2.module import WorldModule
from reworld_agent.training.table2.stage import FrameSamples, StageWorldModule
from reworld_agent.training.table2.velocity import velocity_error
from reworld_agent.video_metrics.probe.states import planning_states
from tests.clips.media import write_video
from tests.clips.test_stage_1 import config as stage_1_config
from tests.training.stops import cut_short


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of six clips of 17 frames at 8 Hz, of one video."""
    torch.set_num_threads(1)
    return write_table(tmp_path_factory.mktemp("clips"))


def write_table(folder: Path) -> Path:
    """The index, and its video, in a folder."""
    random = np.random.default_rng(0)
    frames = list(random.integers(0, 256, (27, 64, 64, 3), dtype=np.uint8))
    (folder / "data").mkdir()
    write_video(folder / "data" / "drive.mp4", frames)
    words = [f"root={folder / 'data'}", f"output={folder / 'index.parquet'}", "split=train"]
    assert main(["video", "index", "source=folder", "frames=17", "stride=2", *words]) == 0
    return folder / "index.parquet"


def config(table: Path | None, output: Path, *more: str) -> TrainRun:
    words = ["protocol=table2", "dataloader.params.batch_size=null"]
    return stage_1_config(table, output, *words, *more)


@pytest.mark.parametrize("name", ["vanilla", "reworld", "self_flow", "repa_vjepa2"])
def test_a_method_is_trained_saved_and_used(name: str, table: Path, tmp_path: Path) -> None:
    more = ["random_encoder=true"] if encoder_of(name) else []
    run(config(table, tmp_path / "run", f"representation={name}", *more))
    for kind in ("weights", "weights_ema"):
        model = ReWorldModel.from_pretrained(tmp_path / "run" / kind)
        assert model.history == ["1"] and bool(model.config.video.mid_blocks) == (name == "reworld")
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))
    weights = tmp_path / "run" / "weights_ema"
    words = ["video", "generate", f"index={table}", "steps=1", f"checkpoint={weights}"]
    assert main([*words, f"output={tmp_path / 'futures'}"]) == 0
    clip = model.config.clip  # the probe reads scenes
    images = torch.zeros(2, clip.history_frames, 3, clip.height, clip.width, dtype=torch.uint8)
    assert len(planning_states(model, {"images": images, "ego": torch.zeros(2, 8)})) == 2


def test_clips_that_have_moved(tmp_path: Path) -> None:
    table = write_table(tmp_path)
    (tmp_path / "data").rename(tmp_path / "moved")
    words = ["trainer.params.max_steps=1"]
    with pytest.raises(DataError, match="1 of 1 files of the index are gone"):
        run(config(table, tmp_path / "run", *words))
    run(config(table, tmp_path / "run", *words, f"clips_root={tmp_path / 'moved'}"))


def test_redi_keeps_its_average_alone(
    table: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["representation=redi", "random_encoder=true", "trainer.params.max_steps=1"]
    run(config(table, tmp_path, *words))
    assert (tmp_path / "averaged.safetensors").is_file() and not (tmp_path / "weights").exists()
    assert "redi generates 8 feature channels" in caplog.text
    again = run(config(table, tmp_path, *words))
    assert again.earlier and again.weights == tmp_path / "averaged.safetensors"


def test_validation_is_the_measure_of_the_sweeps(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[WorldModule] = []

    def build(*words: Any) -> WorldModule:
        built.append(build_module(*words))
        return built[-1]

    monkeypatch.setattr(stage, "build_module", build)
    words = ["representation=vanilla", "validation.split=train", "validation.samples=5"]
    run(config(table, tmp_path, *words))
    clips = FrameSamples(read_index(table), built[0].protocol).frames[spread(6, 5)]
    found = pd.read_csv(tmp_path / "validation.csv")
    assert found["step"].tolist() == [2]
    assert found["velocity_error"][0] == pytest.approx(velocity_error(built[0].eval(), clips))


def test_encoder_weights_from_a_folder(table: Path, tmp_path: Path) -> None:
    FrozenEncoder("dinov2", small=True, seed=3).network.save_pretrained(tmp_path / "dino")
    words = ["representation=repa_dinov2", f"encoder={tmp_path / 'dino'}"]
    run(config(table, tmp_path / "run", *words, "trainer.params.max_steps=1"))


def test_a_resumed_run_ends_in_the_same_weights(table: Path, tmp_path: Path) -> None:
    words = ["representation=sra", "trainer.params.max_steps=3", "checkpoint_steps=1"]
    words.append("dataloader.params.batch_size=1")  # two batches a step
    run(config(table, tmp_path / "straight", *words))
    cut_short(config(table, tmp_path / "broken", *words), 2, StageWorldModule)
    with pytest.raises(ConfigError, match="representation: it has sra, config has sra2"):
        run(config(table, tmp_path / "broken", *words, "representation=sra2"))
    run(config(table, tmp_path / "broken", *words))
    for kind in ("weights", "weights_ema"):
        one, other = (
            ReWorldModel.from_pretrained(tmp_path / name / kind).video_dit.state_dict()
            for name in ("straight", "broken")
        )
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_loss_that_is_not_finite_names_its_clips(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = StageWorldModule.loss

    def broken(self: Any, *arguments: Any) -> Any:
        loss, logs = whole(self, *arguments)
        return loss * float("nan"), logs

    monkeypatch.setattr(StageWorldModule, "loss", broken)
    with pytest.raises(DataError, match=r"the loss is nan at step 0; the batch's clips: .*drive"):
        run(config(table, tmp_path))
    assert (tmp_path / "checkpoints" / "stopped.ckpt").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["representation=jepa"], "representation=jepa does not exist.*self_flow"),
        (["protocol=table3"], "protocol=table3 must be one of paper, table2"),
        (["protocol=paper", "representation=sra"], "representation=sra with protocol=paper"),
        (["protocol=paper", "encoder=dir"], "encoder= with protocol=paper"),
        (["stage=2"], "protocol=table2 with stage=2"),
        (["stage=2", "protocol=paper", "representation=sra"], "representation=sra with stage=2"),
        (["representation=repa_vjepa2"], "needs the weights of vjepa2.*encoder=DIR"),
        (["representation=sra", "random_encoder=true"], "it has no frozen encoder"),
        (["recipe=release"], "recipe=release with protocol=table2"),
        (["agent.init_from=folder"], "it trains from scratch"),
        (["latents=folder"], "latents= with protocol=table2"),
        (["+agent.overrides.schedule=cosine"], "agent.overrides.schedule with protocol=table2"),
        (["trainer.params.strategy=fsdp2"], "strategy=fsdp2 with protocol=table2"),
        (["dataloader.params.batch_size=7"], "a batch has 7"),
        (["clips_split=val"], "no clips of split val"),
        (["vae=nowhere"], "vae=nowhere: no such folder"),
    ],
)
def test_mistakes_end_before_the_first_step(
    words: list[str], message: str, table: Path, tmp_path: Path
) -> None:
    with pytest.raises((ConfigError, DataError, WeightsError)) as caught:
        run(config(table, tmp_path, *words))
    assert re.search(message, str(caught.value).replace("\n", " "))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("validation.split=nowhere", "validation.split=nowhere with protocol=table2"),
        ("validation.hold_out=0.1", "validation.hold_out=0.1 on clips"),
    ],
)
def test_validation_on_what_the_town_has_not(word: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        run(config(None, tmp_path, "representation=vanilla", word))


def test_the_papers_size_needs_clips_and_vae(table: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no model for the embedded town"):
        run(config(None, tmp_path, "model=paper"))


def test_the_callback_takes_the_protocols_numbers(table: Path, tmp_path: Path) -> None:
    with hydra.initialize_config_module("navsim_configs", version_base="1.3"):
        words = ["stage=1", "protocol=table2", "representation=sra"]
        cfg = hydra.compose("reworld_run_training", words, return_hydra_config=True)
    OmegaConf.set_readonly(cfg.hydra, False)
    StageCallback("1").merge(cfg)
    assert cfg.trainer.params.max_steps == 600 and cfg.agent.stage_applied == "1"
    cfg.protocol = "paper"
    StageCallback("1").merge(cfg)
    assert cfg.trainer.params.max_steps == load_stage("1").steps
    # ours: shared out to the processes; a host with a number of its own gets the stage's
    assert cfg.dataloader.params.batch_size is None
    cfg.dataloader.params.batch_size = 64
    StageCallback("1").merge(cfg)
    assert cfg.dataloader.params.batch_size == 16


def test_lists_among_the_overrides() -> None:
    betas = "+agent.overrides.betas=[0.9,0.95]"
    with hydra.initialize_config_module("navsim_configs", version_base="1.3"):
        words = ["agent=reworld", "stage=2", betas]
        cfg = hydra.compose("reworld_run_training", words, return_hydra_config=True)
    callback = hydra.utils.instantiate(cfg.hydra.callbacks.reworld_stage)
    assert callback.stage.betas == (0.9, 0.95)
    callback.merge(cfg)


def test_the_command_line_is_applied_again_as_hydra_reads_it() -> None:
    weights = "+agent.overrides.weights={action_flow:1.0,repulsion:0}"
    words = ["agent=reworld", "stage=3", weights, "trainer.params.max_steps=7", "output_dir='a b'"]
    with hydra.initialize_config_module("navsim_configs", version_base="1.3"):
        cfg = hydra.compose("reworld_run_training", words, return_hydra_config=True)
    StageCallback("3").merge(cfg)
    assert cfg.agent.overrides.weights == {"action_flow": 1.0, "repulsion": 0}
    assert cfg.trainer.params.max_steps == 7 and cfg.output_dir == "a b"

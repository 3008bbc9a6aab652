"""Stage 1 of run_training.py on an index of clips."""

from __future__ import annotations

from pathlib import Path

import hydra
import pytest
import torch
from omegaconf import DictConfig

from reworld_agent.clips.command import main
from reworld_agent.clips.training_samples import on_clips
from reworld_agent.config import load_model_config
from reworld_agent.errors import ConfigError, DataError
from reworld_agent.model import ReWorldModel
from reworld_agent.training.run import run
from reworld_agent.training.stages import load_stage
from tests.clips.tables import write_openscene


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    path = folder / "index.parquet"
    words = [f"root={write_openscene(folder / 'data')}", f"output={path}", "split=train"]
    assert main(["index", "source=openscene", "frames=12", "stride=2", *words]) == 0
    return path


def config(table: Path, output: Path, *more: str) -> DictConfig:
    with hydra.initialize_config_module("navsim_configs", version_base="1.3"):
        return hydra.compose(
            "reworld_run_training",
            [
                "agent=reworld",
                "stage=1",
                f"clips={table}",
                f"output_dir={output}",
                "trainer.params.max_steps=2",
                "trainer.params.accelerator=cpu",
                "+trainer.params.enable_progress_bar=false",
                "dataloader.params.batch_size=2",
                "+agent.overrides.batch_size=2",
                *more,
            ],
        )


def test_trains_and_saves(table: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    assert run(config(table, tmp_path / "run")) == 0
    model = ReWorldModel.from_pretrained(tmp_path / "run" / "weights")
    assert model.history[-1] == "1"
    words = ["generate", f"index={table}", "steps=1", f"checkpoint={tmp_path / 'run' / 'weights'}"]
    assert main([*words, f"output={tmp_path / 'futures'}"]) == 0


def test_what_cannot_be_trained(table: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stage planner cannot learn from clips"):
        run(config(table, tmp_path, "stage=planner"))
    with pytest.raises(DataError, match="no clips of split val"):
        run(config(table, tmp_path, "clips_split=val"))
    with pytest.raises(ConfigError, match=r"12 frames, \d+ are asked for"):
        phases = "+agent.overrides.phases=[{share: 1.0, clip: {future_frames: 12}}]"
        run(config(table, tmp_path, phases))
    with pytest.raises(DataError, match="cannot be read"):
        run(config(tmp_path / "nothing.parquet", tmp_path))


def test_the_papers_curriculum_is_kept() -> None:
    paper = load_model_config("paper")
    stage = load_stage("1", "paper", "paper", {})
    assert on_clips(stage, paper).phases == stage.phases
    tiny = load_model_config("tiny")
    phase = on_clips(load_stage("1", "paper", "tiny", {}), tiny).phases[0]
    assert phase.apply(tiny.clip) == tiny.world_clip

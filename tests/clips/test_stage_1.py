"""Stage 1 of run_training.py on an index of clips."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from reworld_agent.cli.main import main
from reworld_agent.config import load_model_config
from reworld_agent.core.errors import ConfigError, DataError, UsageError, WeightsError
from reworld_agent.core.records import read_record, write_record
from reworld_agent.evaluation.compose import TRAIN, compose
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import load_checkpoint, shipped_folder
from reworld_agent.training import TrainRun, run
from reworld_agent.training.datasets.latent_samples import latents_command
from reworld_agent.training.loop.module import StageModule
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.stages import load_stage, on_clips
from tests.clips.tables import write_openscene
from tests.scenes.small_logs import SPLIT
from tests.training.test_data import small_loader
from tests.video.test_text import write_t5


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    path = folder / "index.parquet"
    words = [f"root={write_openscene(folder / 'data')}", f"output={path}", "split=train"]
    assert main(["video", "index", "source=openscene", "frames=12", "stride=2", *words]) == 0
    return path


def config(table: Path | str | None, output: Path, *more: str) -> TrainRun:
    words = [
        "agent=reworld",
        "stage=1",
        *([f"clips={table}"] if table else []),
        f"output_dir={output}",
        "trainer.params.max_steps=2",
        "trainer.params.accelerator=cpu",
        "+trainer.params.enable_progress_bar=false",
        "dataloader.params.batch_size=2",
        "+agent.overrides.batch_size=2",
        *more,
    ]
    return TrainRun.from_config(compose(words, TRAIN))


def test_trains_and_saves(table: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    run(config(table, tmp_path / "run"))
    model = ReWorldModel.from_pretrained(tmp_path / "run" / "weights")
    assert model.history[-1] == "1"
    words = [
        "video",
        "generate",
        f"index={table}",
        "steps=1",
        f"checkpoint={tmp_path / 'run' / 'weights'}",
    ]
    assert main([*words, f"output={tmp_path / 'futures'}"]) == 0


def test_what_cannot_be_trained(table: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"files of the index are gone from {tmp_path}:"):
        run(config(table, tmp_path / "out", f"clips_root={tmp_path}"))
    with pytest.raises(ConfigError, match="stage planner cannot learn from clips"):
        run(config(table, tmp_path, "stage=planner"))
    with pytest.raises(DataError, match="no clips of split val"):
        run(config(table, tmp_path, "clips_split=val"))
    with pytest.raises(ConfigError, match=r"12 frames, \d+ are asked for"):
        phases = "+agent.overrides.phases=[{share: 1.0, clip: {future_frames: 12}}]"
        run(config(table, tmp_path, phases))
    with pytest.raises(ConfigError, match=r"phase 1: .*future_frames = 3 is not a multiple of 4"):
        run(config(table, tmp_path, phases.replace("12", "3")))
    with pytest.raises(ConfigError, match=r"nothing\.parquet: no such file"):
        run(config(tmp_path / "nothing.parquet", tmp_path))


def test_the_papers_curriculum_is_kept() -> None:
    paper = load_model_config("paper")
    stage = load_stage("1", "paper", "paper", {})
    assert on_clips(stage, paper).phases == stage.phases
    tiny = load_model_config("tiny")
    phase = on_clips(load_stage("1", "paper", "tiny", {}), tiny).phases[0]
    assert phase.apply(tiny.clip) == tiny.world_clip


@pytest.fixture(scope="module")
def latents(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("latents")
    assert main(["video", "latents", f"index={table}", "split=train", f"output={folder}"]) == 0
    return folder


def losses(monkeypatch: pytest.MonkeyPatch, *words: Any) -> list[float]:
    """The losses of a run."""
    seen: list[float] = []
    step = StageModule.training_step

    def watched(self: StageModule, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = step(self, batch, batch_idx)
        seen.append(float(loss))
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(StageModule, "training_step", watched)
        run(config(*words))
    return seen


def test_cached_latents_give_the_same_losses(
    table: Path, latents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = losses(monkeypatch, table, tmp_path / "plain")

    def no_pictures(*_: object) -> None:
        raise AssertionError("a clip was decoded")

    monkeypatch.setattr("reworld_agent.clips.dataset.read_row", no_pictures)
    cached = losses(monkeypatch, table, tmp_path / "cached", f"latents={latents}")
    assert len(plain) == 2 and cached == pytest.approx(plain, rel=1e-5)


def test_a_folder_of_latents_for_each_phase(
    table: Path, latents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "small"
    words = [f"index={table}", "split=train", f"output={small}", "size=32x48", "future=4"]
    assert main(["video", "latents", *words]) == 0
    phases = "{share: 0.5, clip: {height: 32, width: 48, future_frames: 4}}, {share: 0.5, clip: {}}"
    curriculum = f"+agent.overrides.phases=[{phases}]"
    shapes = []

    def watched(*arguments: Any) -> Any:
        shapes.append(tuple(arguments[2]["latents"].shape[2:]))
        return stage_loss(*arguments)

    monkeypatch.setattr("reworld_agent.training.loop.module.stage_loss", watched)
    both = f"latents=[{small},{latents}]"
    run(config(table, tmp_path / "run", curriculum, both))
    assert shapes == [(5, 2, 3), (6, 4, 7)]
    with pytest.raises(ConfigError, match=r"2 phases \(48 x 32 x 8, .*names 1 of them"):
        run(config(table, tmp_path / "one", curriculum, f"latents={latents}"))


def test_latents_of_the_other_recipe_are_refused_with_the_command_that_makes_them(
    table: Path, latents: Path, tmp_path: Path
) -> None:
    """The shipped codec starts runs of both, and encodes by itself as its own recipe does."""
    folder, release = tmp_path / "made", "recipe=release"
    with pytest.raises(ConfigError, match=r"another posterior \('mode', not 'sample'\)") as caught:
        run(config(table, tmp_path / "out", f"latents={latents}", release))
    said = str(caught.value.hint).partition("fill it: reworld ")[2].split()
    assert said[-1] == "posterior=sample"
    assert main([f"output_dir={folder}" if w.startswith("output_dir=") else w for w in said]) == 0
    run(config(table, tmp_path / "run", f"latents={folder}", release))
    with pytest.raises(ConfigError, match=r"another posterior \('sample', not 'mode'\)"):
        run(config(table, tmp_path / "out", f"latents={folder}"))


def test_the_command_names_the_weights_shipped_for_the_model(tmp_path: Path) -> None:
    small = load_model_config("small")
    said = latents_command(*(Path("i.parquet"), "train", tmp_path, small.world_clip, small), None)
    assert f"checkpoint_path={shipped_folder('small')} " in said and "posterior" not in said
    unknown = latents_command(
        *(Path("i.parquet"), "train", tmp_path, small.world_clip, small), tmp_path / "last.ckpt"
    )
    assert unknown.endswith("posterior=mode tiled=false")


def test_latents_that_are_missing_damaged_or_others(
    table: Path, latents: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="holds no latents") as caught:
        run(config(table, tmp_path, f"latents={tmp_path / 'nothing'}"))
    command = f"reworld video latents index={table} split=train output_dir={tmp_path / 'nothing'}"
    assert command in str(caught.value)
    copy = tmp_path / "copy"
    shutil.copytree(latents, copy)
    files = sorted(copy.rglob("*.safetensors"))
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
    many = ["trainer.params.max_steps=5", "checkpoint_steps=100"]
    with pytest.raises(
        DataError, match=r"the latents of .* are damaged.*\n.*reworld video latents"
    ):
        run(config(table, tmp_path / "damaged", f"latents={copy}", *many))
    files[0].unlink()  # the shard that has all five
    with pytest.raises(DataError, match=r"the latents of 5 of 5 clips are missing: \S+"):
        run(config(table, tmp_path / "missing", f"latents={copy}"))
    manifest = copy / "latents.json"
    write_record(manifest, {**read_record(manifest, dict, ""), "height": 32})
    with pytest.raises(ConfigError, match=r"another height .*\n.*split=train.*size=64x112"):
        run(config(table, tmp_path / "other", f"latents={copy}"))
    faster = "+agent.model_overrides.world_clip.fps=8"
    with pytest.raises(ConfigError, match=r"have 2 fps, the model's 8\n.*make the index"):
        run(config(table, tmp_path / "faster", f"latents={latents}", faster))
    with pytest.raises(ConfigError, match="latents= without clips="):
        run(config("", tmp_path, f"latents={latents}"))


def test_prompts_reach_the_video_dit(
    table: Path, latents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, kept = write_t5(tmp_path / "t5", width=32), tmp_path / "prompts"
    for error, fault in ((UsageError, "no such folder"), (WeightsError, "1 prompts are not embed")):
        with pytest.raises(error, match=fault) as caught:
            run(config(table, tmp_path / "bare", f"prompts={kept}"))
        assert f"reworld video prompts index=... output_dir={kept} t5=PATH" in str(caught.value)
        kept.mkdir(exist_ok=True)
    words = ["video", "prompts", f"index={table}", "split=train", f"output={kept}", f"t5={folder}"]
    assert main(words) == 0 and len(list(kept.glob("*.safetensors"))) == 1  # a circle: all alike
    plain = losses(monkeypatch, table, tmp_path / "plain")
    told = losses(monkeypatch, table, tmp_path / "told", f"prompts={kept}")
    both = losses(monkeypatch, table, tmp_path / "both", f"prompts={kept}", f"latents={latents}")
    assert told != pytest.approx(plain, rel=1e-4) and both == pytest.approx(told, rel=1e-5)
    model = ReWorldModel.from_pretrained(tmp_path / "told" / "weights")
    assert model.config.video.text == "prompt"
    load_checkpoint(tmp_path / "told" / "weights", load_model_config("tiny"))  # for the planner
    with pytest.raises(ConfigError, match=r"prompts=.* with stage=planner"):
        run(config(table, tmp_path, "stage=planner", f"prompts={kept}"))
    narrow = write_t5(tmp_path / "narrow")
    with pytest.raises(WeightsError, match="has 16 channels, the model takes 32"):
        run(config(table, tmp_path / "n", f"prompts={tmp_path / 'other'}", f"t5={narrow}"))


def test_sentences_of_scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_loader(tmp_path)
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(tmp_path))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path))
    more = [f"train_test_split.data_split={SPLIT}", f"cache_path={tmp_path / 'cache'}"]
    more += [f"prompts={tmp_path / 'prompts'}", f"t5={write_t5(tmp_path / 't5', width=32)}"]
    run(config("", tmp_path / "run", *more))
    files = list((tmp_path / "prompts").glob("*.safetensors"))
    with safe_open(files[0], framework="pt") as file:
        text = file.metadata()["prompt"]
    assert "past 1.5 seconds" in text and "next 4 seconds" in text

"""Validation during training: what is held out, what is measured, and that it changes nothing."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.sections import from_mapping
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import shipped_folder
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training import run
from reworld_agent.training.datasets.held_out import (
    HeldOutSampler,
    clips_split,
    held_out_logs,
    held_out_scenes,
)
from reworld_agent.training.datasets.scene_arrays import scene_arrays
from reworld_agent.training.loop.callbacks import ValidationTable
from reworld_agent.training.loop.checkpoints import Checkpoints
from reworld_agent.training.loop.module import StageModule, displacement
from reworld_agent.training.settings import ValidationSettings
from reworld_agent.training.stages import load_stage
from tests.scenes.small_logs import SPLIT
from tests.training.stops import cut_short
from tests.training.test_data import small_loader
from tests.training.test_run import config, differ, fit, init, small_split

__all__ = ["small_split"]  # the fixture of this module too


def rows(folder: Path) -> pd.DataFrame:
    """The table of a run."""
    return pd.read_csv(folder / "validation.csv")


def test_validation_changes_nothing_and_survives_a_stop(tmp_path: Path) -> None:
    fit(tmp_path)
    more = [init(tmp_path, "fit"), "trainer.params.max_steps=5", "checkpoint_steps=2"]
    watched = [*more, f"validation.split={SPLIT}", "validation.every=2"]

    def place(name: str) -> str:
        return f"output_dir={tmp_path / name}"

    run(config(tmp_path, "1", *more, place("blind")))
    run(config(tmp_path, "1", *watched, place("straight")))
    assert not (tmp_path / "blind" / "validation.csv").exists()
    cut_short(config(tmp_path, "1", *watched, place("broken")), steps=3)
    run(config(tmp_path, "1", *watched, place("broken")))
    models = [
        ReWorldModel.from_pretrained(tmp_path / name / "weights")
        for name in ("blind", "straight", "broken")
    ]
    assert not differ(models[0], models[1]) and not differ(models[0], models[2])
    found = rows(tmp_path / "straight")
    assert found["step"].tolist() == [2, 4]
    assert {"loss", "generation", "intermediate"} <= set(found) and "ade_m" not in found
    pd.testing.assert_frame_equal(rows(tmp_path / "broken"), found)


def test_a_stop_between_a_checkpoint_and_its_validation_loses_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are due at the same steps, as they are by default."""
    fit(tmp_path)
    more = [init(tmp_path, "fit"), "trainer.params.max_steps=4", "checkpoint_steps=2"]
    more += [f"validation.split={SPLIT}", "validation.every=2"]
    run(config(tmp_path, "1", *more, f"output_dir={tmp_path / 'straight'}"))
    broken = config(tmp_path, "1", *more, f"output_dir={tmp_path / 'broken'}")
    validate = StageModule.validation_step
    for step in (2, 4):  # before any checkpoint, and after one

        def fail(self: Any, batch: Any, batch_idx: int, step: int = step) -> None:
            if self.global_step == step:
                raise OSError("power cut")
            validate(self, batch, batch_idx)

        with monkeypatch.context() as cut:
            cut.setattr(StageModule, "validation_step", fail)
            with pytest.raises(OSError, match="power cut"):
                run(broken)
    run(broken)
    pd.testing.assert_frame_equal(rows(tmp_path / "broken"), rows(tmp_path / "straight"))
    assert rows(tmp_path / "broken")["step"].tolist() == [2, 4]
    models = [
        ReWorldModel.from_pretrained(tmp_path / k / "weights") for k in ("straight", "broken")
    ]
    assert not differ(*models)


@pytest.mark.slow
@pytest.mark.parametrize(("validated", "kept"), [(2, 2), (2, 3), (3, 2)])
def test_a_stop_at_any_moment_loses_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, validated: int, kept: int
) -> None:
    """Before and after each validation's row and each checkpoint is written."""
    fit(tmp_path)
    more = [init(tmp_path, "fit"), "trainer.params.max_steps=6", f"checkpoint_steps={kept}"]
    more += [f"validation.split={SPLIT}", f"validation.every={validated}"]
    run(config(tmp_path, "1", *more, f"output_dir={tmp_path / 'straight'}"))
    wanted = rows(tmp_path / "straight")
    moments: list[tuple[Any, str]] = [
        (ValidationTable, "on_validation_end"),
        (Checkpoints, "_save"),
    ]
    for number, (owner, name) in enumerate(moments * 2):
        first, method = number < len(moments), getattr(owner, name)
        broken = tmp_path / f"broken_{number}"

        def cut(
            self: Any, trainer: Any, *more: Any, method: Any = method, first: bool = first
        ) -> None:
            if first and trainer.global_step == 4:
                raise OSError("power cut")
            method(self, trainer, *more)
            if trainer.global_step == 4:
                raise OSError("power cut")

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, cut)
            with contextlib.suppress(OSError):  # no validation is due at this step
                run(config(tmp_path, "1", *more, f"output_dir={broken}"))
        run(config(tmp_path, "1", *more, f"output_dir={broken}"))
        pd.testing.assert_frame_equal(rows(broken), wanted)
        folders = (tmp_path / "straight" / "weights", broken / "weights")
        assert not differ(*map(ReWorldModel.from_pretrained, folders))


def test_plans_of_held_out_scenes_are_measured(tmp_path: Path) -> None:
    fit(tmp_path)
    run(config(tmp_path, "1", init(tmp_path, "fit")))
    words = ["validation.hold_out=0.5", "agent.overrides.batch_size=2"]
    for kept in ("true", "false"):  # video states from memory, or from the images
        place = f"output_dir={tmp_path / kept}"
        more = [place, *words, f"+agent.overrides.cache_states={kept}"]
        run(config(tmp_path, "planner", init(tmp_path, "1"), *more))
    model = ReWorldModel.from_pretrained(tmp_path / "true" / "weights").eval()
    arrays = scene_arrays(small_loader(tmp_path), model.config, False, tmp_path / "again")
    names = held_out_logs(arrays.logs, 0.5)
    held_out = arrays.where(np.array([log in names for log in arrays.logs]))
    images = torch.from_numpy(np.array(held_out.frames)[held_out.frame_index])
    plans = model.plan({"images": images, "ego": torch.from_numpy(held_out.ego)})
    away = np.linalg.norm((plans.numpy() - held_out.trajectory)[..., :2], axis=-1)
    for kept in ("true", "false"):
        last = rows(tmp_path / kept).iloc[-1]
        assert last["step"] == 2 and len(names) == 1 and len(held_out) == 3
        assert last["ade_m"] == pytest.approx(away.mean(), rel=1e-2)  # states are kept as float16
        assert last["fde_m"] == pytest.approx(away[:, -1].mean(), rel=1e-2)


def test_the_table_of_a_run_from_the_start_has_no_rows_of_another(tmp_path: Path) -> None:
    table = ValidationTable(tmp_path / "validation.csv")
    trainer: Any = SimpleNamespace(is_global_zero=True, global_step=0, callback_metrics={})

    def validate(step: int, loss: float) -> None:
        trainer.global_step, trainer.callback_metrics = step, {"val/loss": loss, "train/loss": 9.0}
        table.on_validation_end(trainer, None)

    table.on_train_start(trainer, None)
    validate(2, 1.0)
    validate(4, 0.5)
    table.on_train_start(trainer, None)  # goes on from step 4
    validate(4, 0.6)
    assert rows(tmp_path).to_dict("list") == {"step": [2, 4], "loss": [1.0, 0.6]}
    trainer.global_step = 0
    table.on_train_start(trainer, None)
    validate(4, 0.7)
    assert rows(tmp_path).to_dict("list") == {"step": [4], "loss": [0.7]}


def test_displacement() -> None:
    expert = torch.zeros(2, 8, 3)
    plan = expert.clone()
    plan[0, :, 0], plan[0, -1, 1], plan[0, :, 2] = 3.0, 4.0, 9.0
    found = displacement(plan, expert)
    assert found["ade_m"] == pytest.approx((7 * 3 + 5) / 16)
    assert found["fde_m"] == pytest.approx(2.5)


def test_a_stage_3_leaves_out_what_held_out_scenes_have_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = StageModule(
        ReWorldModel.from_pretrained(shipped_folder("tiny")), load_stage("3", "paper", "tiny")
    )
    logged: dict[str, float] = {}
    monkeypatch.setattr(module, "log_dict", lambda named, **how: logged.update(named))
    trainer = OmegaConf.create({"world_size": 1, "global_step": 0, "global_rank": 0})
    monkeypatch.setattr(module, "_trainer", trainer)
    clip = module.model.config.clip
    images = torch.zeros(2, clip.history_frames, 3, clip.height, clip.width, dtype=torch.uint8)
    batch = {"images": images, "ego": torch.zeros(2, 8)}, {"trajectory": torch.zeros(2, 8, 3)}
    with torch.no_grad():
        module.validation_step((*batch, ["a", "b"]), 0)
    assert {"val/loss", "val/action_flow", "val/ade_m", "val/fde_m"} <= set(logged)
    assert not {"val/repulsion", "val/negatives"} & set(logged)
    assert module.stage.weights.repulsion > 0


def test_two_processes_share_the_samples_out() -> None:
    alone = list(HeldOutSampler(100, 7))
    assert alone == [0, 14, 28, 42, 57, 71, 85]
    shares = [list(HeldOutSampler(100, 7, rank, 2)) for rank in (0, 1)]
    assert shares == [alone[0:6:2], alone[1:6:2]]  # the odd one out is left out
    assert list(HeldOutSampler(3, 9, phase=lambda: 2)) == [6, 7, 8]
    assert list(HeldOutSampler(3, 9)) == [0, 1, 2] and len(HeldOutSampler(3, 9)) == 3


def test_logs_are_held_out_whole() -> None:
    logs = [f"log{number % 20}" for number in range(100)]
    few, more = held_out_logs(logs, 0.1), held_out_logs(logs, 0.5)
    assert len(few) == 2 and len(more) == 10 and few < more
    with pytest.raises(ConfigError, match="takes 1 of 1 logs"):
        held_out_logs(["only"], 0.1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"every": -1}, "validation.every=-1"),
        ({"samples": 0}, "validation.samples=0"),
        ({"hold_out": 1.0}, "validation.hold_out=1"),
        ({"hold_out": 0.1, "split": "x"}, "validation.split=x together with"),
        ({"evry": 5}, r"validation.evry= is unknown\n.*validation.every="),
    ],
)
def test_settings_that_cannot_be(words: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_mapping(ValidationSettings, words)


def test_where_held_out_scenes_are_from(caplog: pytest.LogCaptureFixture) -> None:
    every = SceneFilter(frame_interval=1, max_scenes=2, log_names=("nothing",))
    scenes = held_out_scenes(ValidationSettings(samples=4, split=SPLIT), "other", every)
    assert scenes is not None and len(scenes) == 4
    assert {token[:8] for token in scenes.tokens} == {token[:8] for token in _all_tokens()}
    assert held_out_scenes(ValidationSettings(every=0, split=SPLIT), "other", every) is None
    assert not caplog.records
    assert held_out_scenes(ValidationSettings(), "other", every) is None
    assert "no validation beside other" in caplog.text
    with caplog.at_level(logging.WARNING):
        held_out_scenes(ValidationSettings(split=SPLIT), SPLIT, every)
    assert "these scenes are also learned from" in caplog.text


def _all_tokens() -> list[str]:
    return resolve_split(SPLIT).loader(SceneFilter(frame_interval=1)).tokens


def test_clips_have_splits() -> None:
    settings = ValidationSettings()
    assert clips_split(settings, ["train", "val"], "x") == "val"
    assert clips_split(settings, ["train"], "x") is None
    assert clips_split(settings, ["train", "val"], "x", automatic=False) is None
    assert clips_split(ValidationSettings(split="test"), ["train"], "x") == "test"
    with pytest.raises(ConfigError, match="an index has splits"):
        ValidationSettings(hold_out=0.1).check_clips()

"""`run_training.py agent=reworld stage=1 protocol=table2 representation=NAME`.

The method and the numbers are those of `train/benchmark_objectives.py`; checkpoints, TensorBoard,
gradient accumulation, DDP and the weights folder are those of every other stage.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import Tensor
from torch.utils.data import Dataset

from reworld_agent.clips.index import ClipIndex, read_index
from reworld_agent.training.choices import ClipChoice, RepresentationChoice
from reworld_agent.training.datasets.held_out import clips_split
from reworld_agent.training.datasets.loading import StageData
from reworld_agent.training.datasets.scene_arrays import Sample
from reworld_agent.training.loop import engine
from reworld_agent.training.loop.parallel import loading
from reworld_agent.training.loop.records import check_settings
from reworld_agent.training.loop.resume import Trained, resume_state, stage_record
from reworld_agent.training.settings import ValidationSettings
from reworld_agent.training.table2.build import WEIGHTS, Clips, RunSettings, build_module
from reworld_agent.training.table2.data import (
    FIT_CLIPS,
    FrameClips,
    drawn,
    fitted_codec,
    open_codec,
    town_index,
)
from reworld_agent.training.table2.export import ExportWorld
from reworld_agent.training.table2.module import WorldModule
from reworld_agent.training.table2.velocity import BATCH, velocity_error
from reworld_agent.training.table2_protocol import Protocol, stage_protocol
from reworld_agent.training.train_run import TrainRun

logger = logging.getLogger(__name__)

NO_MODEL = (
    "%s generates %d feature channels beside the latent, for which a saved model has no encoder: "
    "its weights are written as %s, not as a folder for `reworld video generate`"
)


def run_table2(settings: TrainRun) -> Trained:
    """Train one method under the protocol.

    Raises:
        ReWorldError: whatever the user can fix, before the first step.
    """
    stage, method, seed = settings.training_stage, settings.method, settings.seed
    check_settings(settings.output_dir, _same(method), settings.resume)
    name = method.representation
    index, others = _indexes(
        settings.clips, settings.validation, stage_protocol(settings.model, stage)
    )
    plan = engine.batch_plan(
        *(stage.batch_size, stage.steps, len(index), settings.dataloader, settings.trainer)
    )
    stage = replace(stage, steps=plan.steps)
    protocol = stage_protocol(settings.model, stage)
    state = resume_state(
        settings.output_dir, stage_record(settings, stage, _same(method)), settings.resume
    )
    title = f"stage 1 ({name}, protocol=table2)"
    if state.finished is not None:
        return engine.trained_earlier(title, state.finished)
    plan = replace(plan, done=state.steps)
    pl.seed_everything(seed, verbose=False)
    codec = open_codec(protocol, method.vae)
    samples = FrameSamples(index, protocol)
    sample = drawn(samples.frames, FIT_CLIPS)
    codec = fitted_codec(codec, sample)
    chosen = RunSettings(name, seed, encoder=_text(method.encoder))
    module = build_module(protocol, chosen, Clips(sample, sample, codec), StageWorldModule)
    message = "%s: %d clips, steps %d to %d; %d to be validated on"
    watched = 0 if others is None else len(others)
    logger.info(message, title, len(samples), plan.done, plan.steps, watched)
    extra = module.representation.extra_channels
    if extra:
        logger.warning(NO_MODEL, name, extra, WEIGHTS)
    held_out = None if others is None else FrameSamples(others, protocol)
    load, count = loading(settings.dataloader, settings.trainer), settings.validation.samples
    data = StageData(samples, plan, seed, load, (), held_out, count, val_batch=BATCH)
    session = engine.planned_session(
        *(title, plan, state.checkpoint, stage.gradient_clip, settings, others is not None),
        WEIGHTS if extra else "weights",
    )
    export = ExportWorld(settings.model, name)
    return engine.train(session, settings, module, [export], datamodule=data)


def _same(method: RepresentationChoice) -> dict[str, Any]:
    """What must be the same in both halves of a run, beside the stage."""
    same = {
        "protocol": method.protocol,
        "representation": method.representation,
        "encoder": _text(method.encoder),
    }
    return same if method.vae is None else {**same, "vae": str(method.vae)}


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _indexes(
    clips: ClipChoice, validation: ValidationSettings, protocol: Protocol
) -> tuple[ClipIndex, ClipIndex | None]:
    """Clips to learn from, and to be validated on: of an index, or of the embedded town."""
    if clips.index is not None:
        index = read_index(clips.index, clips.root)
        split = clips_split(validation, index.distinct("split"), clips.index)
        return index.split(clips.split), None if split is None else index.split(split)
    name = clips_split(validation, ("val",), "the town")
    name = "town_val" if name == "val" else name
    held_out = None if name is None else town_index(name, protocol)
    return town_index("town_train", protocol), held_out


class FrameSamples(Dataset[Sample]):
    """Samples ({`frames` uint8 [T, 3, H, W]}, {}, clip_id); decoded once where memory allows."""

    def __init__(self, index: ClipIndex, protocol: Protocol) -> None:
        clips = FrameClips(index, protocol)
        self.frames: Any = clips.in_memory() if clips.fits() else clips
        self.names = index.column("clip_id")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> Sample:
        return {"frames": self.frames[number]}, {}, self.names[number]


class StageWorldModule(WorldModule):
    """Takes the batches of `StageData`, and names its clips where the loss is not finite."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Loss of a batch (features, targets, clip names)."""
        features, _, names = batch
        clips = ", ".join(names)
        where = f"at step {self.global_step}; the batch's clips: {clips}"
        return self.step_loss(features["frames"], batch_idx, where)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log the error of the averaged weights' velocity, as the sweeps of Table 2 measure it."""
        features, _, names = batch
        world = self.trainer.world_size
        first = (batch_idx * world + self.global_rank) * BATCH
        error = velocity_error(self, features["frames"], seed=1 + first)
        self.log("val/velocity_error", error, batch_size=len(names), sync_dist=world > 1)

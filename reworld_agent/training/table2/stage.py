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
import torch
from lightning.pytorch import Callback
from omegaconf import DictConfig
from torch import Tensor
from torch.utils.data import Dataset

from reworld_agent.clips.index import ClipIndex, read_index
from reworld_agent.config.fields import choice
from reworld_agent.core.errors import ConfigError
from reworld_agent.model import ReWorldModel
from reworld_agent.planner.actions import ActionNormaliser
from reworld_agent.planner.heads import build_head
from reworld_agent.training import engine
from reworld_agent.training.datasets.held_out import ValidationSettings
from reworld_agent.training.datasets.loading import StageData
from reworld_agent.training.datasets.scene_arrays import Sample
from reworld_agent.training.ema import FOLDER as AVERAGED
from reworld_agent.training.hydra_stage import plain_overrides
from reworld_agent.training.parallel import FSDP2
from reworld_agent.training.resume import finish, finished_steps, say_finished
from reworld_agent.training.table2.data import (
    FIT_CLIPS,
    TOWN_SCENES,
    FrameClips,
    drawn,
    fitted_codec,
    open_codec,
    town_index,
)
from reworld_agent.training.table2.evaluate import BATCH, velocity_error
from reworld_agent.training.table2.module import WorldModule
from reworld_agent.training.table2.protocol import Protocol
from reworld_agent.training.table2.runs import (
    WEIGHTS,
    Clips,
    RunSettings,
    build_module,
    keep_averaged,
)
from reworld_agent.training.table2.settings import saved_config, stage_protocol, table2_stage
from reworld_agent.training.words import clips_root

logger = logging.getLogger(__name__)

NO_MODEL = (
    "%s generates %d feature channels beside the latent, for which a saved model has no encoder: "
    "its weights are written as %s, not as a folder for `reworld video generate`"
)


def run_table2(cfg: DictConfig) -> int:
    """Train one method under the protocol; 0 when its weights were written.

    Args:
        cfg: of `run_training.py`, its words checked (see `training.words`).

    Raises:
        ReWorldError: whatever the user can fix, before the first step.
    """
    stage = table2_stage(cfg.agent.model, plain_overrides(cfg.agent.overrides))
    stage = engine.with_steps(cfg, stage)
    if cfg.trainer.params.get("strategy") == FSDP2:
        raise ConfigError(f"strategy={FSDP2} with protocol=table2", "use strategy=ddp")
    name, seed = str(cfg.get("representation") or "reworld"), int(cfg.seed)
    encoder = cfg.get("encoder")
    protocol = stage_protocol(cfg.agent.model, stage)
    index, others = _indexes(cfg, protocol)
    stage, plan = engine.batches(cfg, stage, len(index))
    output = Path(cfg.output_dir)
    same = {"protocol": "table2", "representation": name, "encoder": encoder}
    if cfg.get("vae"):
        same["vae"] = str(cfg.vae)
    standing = engine.start(cfg, stage, output, same)
    if standing.finished is not None:
        say_finished(f"stage 1 ({name}, protocol=table2)", standing.finished)
        return 0
    pl.seed_everything(seed, verbose=False)
    codec = open_codec(protocol, cfg.get("vae"))
    samples = FrameSamples(index, protocol)
    sample = drawn(samples.frames, FIT_CLIPS)
    codec = fitted_codec(codec, sample)
    settings = RunSettings(name, seed, encoder=encoder)
    protocol = stage_protocol(cfg.agent.model, stage)  # `batches` may have cut the steps
    clips = Clips(sample, sample, codec)
    module = build_module(protocol, settings, clips, StageWorldModule)
    if standing.checkpoint is not None:
        plan = replace(plan, done=finished_steps(standing.checkpoint))
    done, steps = plan.done, plan.steps
    message = "stage 1, %s under protocol=table2: %d clips, steps %d to %d; %d to be validated on"
    logger.info(message, name, len(samples), done, steps, 0 if others is None else len(others))
    extra = module.representation.extra_channels
    if extra:
        logger.warning(NO_MODEL, name, extra, WEIGHTS)
    export = ExportWorld(cfg.agent.model, name)
    trainer = engine.build_trainer(cfg, stage, plan, output, [export], others is not None)
    workers = int(cfg.dataloader.params.get("num_workers") or 0)
    held_out = None if others is None else FrameSamples(others, protocol)
    count = ValidationSettings.of(cfg).samples
    data = StageData(samples, plan, seed, workers, (), held_out, count, val_batch=BATCH)
    engine.fit(trainer, module, datamodule=data, ckpt_path=standing.checkpoint)
    if trainer.is_global_zero:
        place = WEIGHTS if extra else "weights"
        finish(output, place)
        print(f"stage 1 ({name}, protocol=table2) is done: {output / place}")
    return 0


def _indexes(cfg: DictConfig, protocol: Protocol) -> tuple[ClipIndex, ClipIndex | None]:
    """Clips to learn from, and to be validated on: of `clips=`, or (tiny) of the embedded town."""
    settings = ValidationSettings.of(cfg)
    if cfg.get("clips"):
        index = read_index(Path(cfg.clips), clips_root(cfg))
        split = settings.clips_split(index.rows["split"], cfg.clips)
        return index.split(str(cfg.clips_split)), None if split is None else index.split(split)
    if cfg.agent.model != "tiny":
        message = f"model={cfg.agent.model} is no model for the embedded town"
        raise ConfigError(message, "give clips=INDEX.parquet (reworld video index frames=25 ...)")
    name = settings.clips_split(("val",), "the town")
    name = "town_val" if name == "val" else name
    if name is not None:
        choice("validation.split", name, tuple(TOWN_SCENES))
    held_out = None if name is None else town_index(name, protocol)
    return town_index("town_train", protocol), held_out


class FrameSamples(Dataset[Sample]):
    """Samples ({`frames` uint8 [T, 3, H, W]}, {}, clip_id); decoded once where memory allows."""

    def __init__(self, index: ClipIndex, protocol: Protocol) -> None:
        clips = FrameClips(index, protocol)
        self.frames: Any = clips.in_memory() if clips.fits() else clips
        self.names = [str(name) for name in index.rows["clip_id"]]

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


class ExportWorld(Callback):
    """Writes `weights` and `weights_ema`, the average that Table 2 judges, when training ends.

    ReDi's Video DiT generates features beside the latent, and sees those of the history: it makes
    no model without its encoder. Its average is kept as the sweeps keep theirs.

    Args:
        size: `tiny` or `paper`.
        name: of the representation.
    """

    def __init__(self, size: str, name: str) -> None:
        super().__init__()
        self.size, self.name = size, name

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Lightning's hook."""
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        if pl_module.representation.extra_channels:
            keep_averaged(pl_module, folder)
            return
        decay = pl_module.protocol.ema_decay
        for place, dit, how in (
            ("weights", pl_module.dit, "the last step's"),
            (AVERAGED, pl_module.averaged.module, f"averaged (EMA, decay {decay})"),
        ):
            notes = [f"protocol=table2, representation={self.name}; {how}. No planner."]
            saved_model(self.size, pl_module, dit).save_pretrained(folder / place, notes)


def saved_model(size: str, module: WorldModule, dit: Any) -> ReWorldModel:
    """A whole model around a trained Video DiT of a run; its Action DiT is random.

    Args:
        size: `tiny` or `paper`.
        module: the run.
        dit: its Video DiT, or the averaged one.
    """
    protocol = module.protocol
    video = replace(protocol.video, mid_blocks=tuple(module.representation.mid_blocks))
    config = saved_config(size, protocol, video)
    with torch.device("meta"):
        model = ReWorldModel(config)
    model.codec, model.video_dit = module.codec, dit
    model.action_dit = build_head(config.planner, config.video)
    model.normaliser = ActionNormaliser(config.planner.normalisation, config.planner.horizon)
    model.history = ["1"]
    return model

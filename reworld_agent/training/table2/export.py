"""What a run under Table 2's protocol leaves behind: whole models around its Video DiT."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback

from reworld_agent.config import ModelConfig, VideoConfig, load_model_config
from reworld_agent.model import ReWorldModel
from reworld_agent.planner.actions import ActionNormaliser
from reworld_agent.planner.heads import build_head
from reworld_agent.training.loop.ema import FOLDER as AVERAGED
from reworld_agent.training.table2.build import keep_averaged
from reworld_agent.training.table2.module import WorldModule
from reworld_agent.training.table2_protocol import Protocol


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


def saved_config(model: str, protocol: Protocol, video: VideoConfig) -> ModelConfig:
    """The configuration of the model that a run saves.

    `world_clip` is the protocol's clip. `clip`, the window of a scene (for the linear probe), is
    the model's own at the protocol's frame size. The Action DiT is never trained.

    Args:
        model: `tiny` or `paper`, for the Action DiT and the window.
        protocol: of the run.
        video: the protocol's Video DiT with the mid heads of the method; without any, futures are
            sampled without self-guidance.
    """
    base, world = load_model_config(model), protocol.clip
    window = replace(base.clip, height=world.height, width=world.width, rope_time=world.rope_time)
    gamma = base.sampling.gamma if video.mid_blocks else 1.0
    return replace(
        base,
        name=f"{model}-table2",
        codec=protocol.codec,
        clip=window,
        world_clip=world,
        video=video,
        planner=replace(base.planner, projected_blocks=()),
        sampling=replace(base.sampling, gamma=gamma),
    )

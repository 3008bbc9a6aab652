"""The protocol of Table 2 in the words of a training stage, and of a model that can be saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reworld_agent.config import ModelConfig, VideoConfig, load_model_config
from reworld_agent.core.errors import ConfigError
from reworld_agent.training.stages import TrainingStage, load_stage
from reworld_agent.training.table2.protocol import Protocol, load_protocol

SHARED = (
    *("steps", "batch_size", "learning_rate", "warmup_steps", "gradient_clip"),
    *("video_times", "video_distribution", "ema_decay"),
)


def table2_stage(model: str, overrides: Mapping[str, Any] | None = None) -> TrainingStage:
    """Stage 1 with the protocol's numbers.

    Args:
        model: `tiny` or `paper`.
        overrides: of SHARED.

    Raises:
        ConfigError: the protocol has no such field, or an impossible value.
    """
    changes = dict(overrides or {})
    strange = [key for key in changes if key not in SHARED]
    if strange:
        message = f"agent.overrides.{strange[0]} with protocol=table2"
        raise ConfigError(message, "the protocol has " + ", ".join(SHARED))
    protocol = load_protocol(model)
    values = {key: getattr(protocol, key) for key in SHARED}
    fixed = {"weights": {"generation": 1.0}, "weight_decay": 0.0, "betas": [0.9, 0.999]}
    fixed |= {"schedule": "constant", "phases": []}
    return load_stage("1", "paper", model, {**fixed, **values, **changes})


def stage_protocol(model: str, stage: TrainingStage) -> Protocol:
    """The protocol of `table2_stage`'s stage, whose steps may have been changed since."""
    return load_protocol(model, {key: getattr(stage, key) for key in SHARED})


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

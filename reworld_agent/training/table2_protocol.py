"""The one protocol under which all representations are compared (the paper's Table 2).

Also as a training stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from reworld_agent.config import ClipConfig, CodecConfig, VideoConfig, build_dataclass
from reworld_agent.core.errors import ConfigError
from reworld_agent.objectives.baselines import DiTShape
from reworld_agent.training.stages import TrainingStage, load_stage

SIZES = ("tiny", "paper")
SHARED = (
    *("steps", "batch_size", "learning_rate", "warmup_steps", "gradient_clip"),
    *("video_times", "video_distribution", "ema_decay"),
)


@dataclass(frozen=True)
class Protocol:
    """Everything that two methods must share to be compared.

    Attributes:
        codec, clip, video: sizes; the history of the clip is the only condition.
        steps, batch_size, learning_rate, warmup_steps: of AdamW, without weight decay.
        gradient_clip: norm.
        ema_decay: of the averaged weights, which teach and are evaluated.
        video_times, video_distribution: noise levels, see `TrainingStage`.
        small_encoders: frozen encoders at test size, with random weights.
    """

    codec: CodecConfig
    clip: ClipConfig
    video: VideoConfig
    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int
    ema_decay: float
    small_encoders: bool
    gradient_clip: float = 1.0
    video_times: str = "sample"
    video_distribution: str = "uniform"

    def __post_init__(self) -> None:
        self.clip.check(self.codec)
        if self.clip.encoding != "clip":
            raise ConfigError(
                f"clip.encoding={self.clip.encoding} under protocol=table2",
                "use encoding: clip, history and future as one causal clip",
            )
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"ema_decay={self.ema_decay}", "use 0 to below 1, such as 0.9999")

    @property
    def frames(self) -> int:
        """Frames of a clip."""
        return self.clip.history_frames + self.clip.future_frames

    @property
    def shape(self) -> DiTShape:
        """What an objective must know of the Video DiT."""
        return DiTShape(
            self.video.width,
            self.codec.latent_channels,
            self.video.num_layers,
            self.codec.temporal_ratio,
        )


def load_protocol(size: str = "tiny", overrides: Mapping[str, Any] | None = None) -> Protocol:
    """The protocol at `tiny` or `paper` size; ConfigError for unknown names and bad values."""
    if size not in SIZES:
        raise ConfigError(f"model={size} does not exist", "use " + " | ".join(SIZES))
    file = resources.files("reworld_agent.training").joinpath("table2_protocol.yaml")
    values = yaml.safe_load(file.read_text(encoding="utf-8"))[size]
    return build_dataclass(Protocol, {**values, **(overrides or {})}, "protocol")


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

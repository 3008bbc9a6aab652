"""Configuration of the model: frozen dataclasses whose constructors find every mistake.

`load_model_config("tiny")` and `load_model_config("paper")` read the tables shipped in
`reworld_agent/configs`. Blocks of both transformers count from 1, as in the paper.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeVar, get_type_hints

import yaml

from reworld_agent.errors import ConfigError

CONFIG_NAMES = ("tiny", "paper")
ENCODINGS = ("per_frame", "continued", "clip")
T = TypeVar("T")


def _require(condition: bool, message: str, hint: str) -> None:
    if not condition:
        raise ConfigError(message, hint)


def _choice(key: str, value: str, known: tuple[str, ...]) -> None:
    _require(value in known, f"{key}={value} does not exist", f"use {key} = " + " | ".join(known))


def _positive(owner: str, **values: float) -> None:
    for key, value in values.items():
        _require(value > 0, f"{owner}.{key} = {value}", f"{owner}.{key} must be positive")


@dataclass(frozen=True)
class CodecConfig:
    """The image codec between pixels and latents.

    Attributes:
        kind: `patch_pca` (closed form, tiny) or `ltx_vae` (`AutoencoderKLLTXVideo` 0.9.5).
        latent_channels: channels C of a latent.
        spatial_ratio: pixels per latent cell, height and width alike.
        temporal_ratio: frames per latent after the first, which stands alone (causal).
    """

    kind: str
    latent_channels: int
    spatial_ratio: int
    temporal_ratio: int

    def __post_init__(self) -> None:
        _choice("codec.kind", self.kind, ("patch_pca", "ltx_vae"))
        _positive(
            "codec",
            latent_channels=self.latent_channels,
            spatial_ratio=self.spatial_ratio,
            temporal_ratio=self.temporal_ratio,
        )
        if self.kind == "ltx_vae":
            found = (self.latent_channels, self.spatial_ratio, self.temporal_ratio)
            _require(
                found == (128, 32, 8),
                f"codec.kind=ltx_vae with (channels, spatial, temporal) = {found}",
                "the LTX VAE 0.9.5 has 128 channels, 32 pixels and 8 frames per latent",
            )


@dataclass(frozen=True)
class ClipConfig:
    """Frames of one sample, and how they become latents.

    Attributes:
        height, width: pixels of a frame, after resizing.
        history_frames, future_frames: the history ends with the current frame.
        fps: frames per second of both.
        encoding: `per_frame`: each history frame alone, the future as a clip of its own, its last
            frame repeated (DriveLaW's planner); `continued`: each history frame alone, the future
            as the continuation of the current frame; `clip`: history and future as one causal
            clip (DriveLaW's video training).
        rope_time: time coordinate of a latent frame: its `index`, or `seconds`.
    """

    height: int
    width: int
    history_frames: int
    future_frames: int
    fps: float
    encoding: str
    rope_time: str

    def __post_init__(self) -> None:
        _positive(
            "clip",
            height=self.height,
            width=self.width,
            history_frames=self.history_frames,
            future_frames=self.future_frames,
            fps=self.fps,
        )
        _choice("clip.encoding", self.encoding, ENCODINGS)
        _choice("clip.rope_time", self.rope_time, ("index", "seconds"))

    def history_latents(self, temporal_ratio: int) -> int:
        """Latent frames of the history (clean, t = 0)."""
        if self.encoding == "clip":
            return (self.history_frames - 1) // temporal_ratio + 1
        return self.history_frames

    def future_latents(self, temporal_ratio: int) -> int:
        """Latent frames of the future (generated)."""
        if self.encoding == "per_frame":
            return self.future_frames // temporal_ratio + 1
        return self.future_frames // temporal_ratio

    def check(self, codec: CodecConfig) -> None:
        """Raise ConfigError where the codec cannot cut these frames into whole latents."""
        spatial, temporal = codec.spatial_ratio, codec.temporal_ratio
        for key, size in (("height", self.height), ("width", self.width)):
            _require(
                size % spatial == 0,
                f"clip.{key} = {size} is not divisible by the codec's {spatial} pixels",
                f"use {size // spatial * spatial} or {(size // spatial + 1) * spatial}",
            )
        _require(
            self.future_frames % temporal == 0,
            f"clip.future_frames = {self.future_frames} is no multiple of {temporal}",
            f"a causal clip has {temporal}k+1 frames, the first of them not of the future",
        )
        _require(
            self.encoding != "clip" or (self.history_frames - 1) % temporal == 0,
            f"clip.history_frames = {self.history_frames} is not {temporal}k+1",
            f"a causal clip has {temporal}k+1 frames: use {temporal + 1}",
        )


@dataclass(frozen=True)
class VideoConfig:
    """The Video DiT (LTX architecture).

    Attributes:
        num_layers, num_heads, head_dim: depth; width D = num_heads * head_dim.
        caption_channels: width of text tokens before their projection.
        mid_blocks: blocks (from 1) with an auxiliary velocity head (the paper's set S).
        mid_head: `table` (2xD table and the shared time embedding) or `ig` (own AdaLN).
    """

    num_layers: int
    num_heads: int
    head_dim: int
    caption_channels: int
    mid_blocks: tuple[int, ...]
    mid_head: str = "table"

    def __post_init__(self) -> None:
        _positive(
            "video",
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            head_dim=self.head_dim,
            caption_channels=self.caption_channels,
        )
        _choice("video.mid_head", self.mid_head, ("table", "ig"))
        for block in self.mid_blocks:
            _require(
                1 <= block <= self.num_layers,
                f"video.mid_blocks names block {block} of {self.num_layers}",
                f"blocks count from 1: use 1 to {self.num_layers}",
            )
        _require(
            len(set(self.mid_blocks)) == len(self.mid_blocks),
            f"video.mid_blocks = {self.mid_blocks} names a block twice",
            "name each block once",
        )

    @property
    def width(self) -> int:
        """D, the width of a video token."""
        return self.num_heads * self.head_dim


@dataclass(frozen=True)
class PlannerConfig:
    """The Action DiT and its sampler; as many blocks as the Video DiT, read one to one.

    Attributes:
        num_heads, head_dim: width of an action token = num_heads * head_dim.
        ff_dim: hidden width of the SwiGLU.
        ego_hidden: hidden width of the two MLPs of the ego state.
        ego_scale: factors of (vx, vy m/s, ax, ay m/s², 4 commands) before the first of them.
        horizon, interval: poses of a plan, seconds between them.
        normalisation: `drivelaw` (ranges per channel, output clamped) or `waypoint` (mean and
            standard deviation of each waypoint and channel).
        steps, sigmas: Euler steps; `linear_quadratic` or `uniform` noise levels.
        seed: of the plan's noise; every scene gets the same, whatever its batch.
        noise_scale: of that noise; below 1, a plan lies nearer to the mean of what it could be.
    """

    num_heads: int
    head_dim: int
    ff_dim: int
    ego_hidden: int
    normalisation: str
    ego_scale: tuple[float, ...] = (1.0,) * 8
    horizon: int = 8
    interval: float = 0.5
    steps: int = 5
    sigmas: str = "linear_quadratic"
    seed: int = 42
    noise_scale: float = 1.0

    def __post_init__(self) -> None:
        _positive(
            "planner",
            num_heads=self.num_heads,
            head_dim=self.head_dim,
            ff_dim=self.ff_dim,
            ego_hidden=self.ego_hidden,
            horizon=self.horizon,
            interval=self.interval,
            steps=self.steps,
        )
        _choice("planner.normalisation", self.normalisation, ("drivelaw", "waypoint"))
        _choice("planner.sigmas", self.sigmas, ("linear_quadratic", "uniform"))
        _require(
            self.noise_scale >= 0,
            f"planner.noise_scale = {self.noise_scale}",
            "use 0 (no noise) to 1 (as in training)",
        )
        _require(
            len(self.ego_scale) == 8,
            f"planner.ego_scale has {len(self.ego_scale)} numbers",
            "give 8: vx, vy, ax, ay and the four commands",
        )
        _require(
            self.width % 2 == 0,
            f"planner width {self.width} is odd",
            "num_heads * head_dim must be even (rotary pairs)",
        )

    @property
    def width(self) -> int:
        """Width of an action token."""
        return self.num_heads * self.head_dim


@dataclass(frozen=True)
class ModelConfig:
    """A whole model. `clip`: what the planner sees; `world_clip`: a sample of video training."""

    name: str
    codec: CodecConfig
    clip: ClipConfig
    world_clip: ClipConfig
    video: VideoConfig
    planner: PlannerConfig

    def __post_init__(self) -> None:
        self.clip.check(self.codec)
        self.world_clip.check(self.codec)

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary, tuples as lists; `from_dict` takes it back."""
        return _listed(dataclasses.asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Build from a nested mapping; unknown and missing fields raise ConfigError."""
        return build_dataclass(cls, values, "model")


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def build_dataclass(kind: type[T], values: Any, where: str) -> T:
    """A dataclass from a mapping, nested ones included; `where` names it in a ConfigError."""
    _require(isinstance(values, Mapping), f"{where} = {values!r} is not a table", "give key: value")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    _require(
        not unknown, f"{where} has unknown fields: {', '.join(unknown)}", f"known: {list(fields)}"
    )
    needed = [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in values]
    _require(not needed, f"{where} lacks: {', '.join(needed)}", "add these fields")
    hints = get_type_hints(kind)
    return kind(
        **{key: _convert(hints[key], value, f"{where}.{key}") for key, value in values.items()}
    )


def _convert(hint: Any, value: Any, where: str) -> Any:
    """The value as its field's type; ints pass as floats, lists as tuples, nothing else bends."""
    if dataclasses.is_dataclass(hint):
        return build_dataclass(hint, value, where)  # type: ignore[arg-type]
    if getattr(hint, "__origin__", None) is tuple:
        _require(isinstance(value, list | tuple), f"{where} = {value!r}", f"{where} must be a list")
        return tuple(_convert(hint.__args__[0], item, where) for item in value)
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(choice for choice in hint.__args__ if choice is not type(None))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    fits = isinstance(value, hint) and not (hint is int and isinstance(value, bool))
    _require(fits, f"{where} = {value!r}", f"{where} must be of type {hint.__name__}")
    return value


def load_model_config(name: str) -> ModelConfig:
    """The shipped configuration `tiny` or `paper`; ConfigError for any other name."""
    _choice("model", name, CONFIG_NAMES)
    file = resources.files("reworld_agent").joinpath("configs", f"{name}.yaml")
    return ModelConfig.from_dict(yaml.safe_load(file.read_text(encoding="utf-8")))

"""Configuration of the model: frozen dataclasses whose constructors find every mistake.

Blocks of both transformers count from 1, as in the paper.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reworld_agent.config.actions import (
    LATENT,
    WORLD_ACTION,
    ActionsConfig,
    check_actions,
    check_window,
)
from reworld_agent.config.cameras import FRONT, camera_names
from reworld_agent.config.fields import (
    blocks_within,
    build_dataclass,
    choice,
    implementation,
    listed,
    positive,
    require,
)
from reworld_agent.config.sampling import PromptConfig, SamplingConfig
from reworld_agent.config.sigmas import SCHEDULES

MOST_LAYERS = 1000  # of a Video DiT: more is a slip, and takes hours to build
OPTIONS = {
    "wan": ("ff_dim",),
    WORLD_ACTION: ("action_ff", "chunk", "window"),
}  # of built-in backbones
CODEC_OPTIONS = {  # of built-in codecs
    "conv": ("width", "blocks", "whitening"),
    "repwam": ("width", "layers", "heads", "mlp"),
}
RECIPES = ("paper", "release")
ENCODINGS = ("per_frame", "continued", "clip")
# (latent channels, pixels, frames per latent) of codecs whose released weights leave no choice
GEOMETRY = {"ltx_vae": (128, 32, 8)}
_OF_PATCHES = ("patch_pca", "conv")  # codecs that begin with principal components of patches


@dataclass(frozen=True)
class CodecConfig:
    """The image codec between pixels and latents.

    Attributes:
        kind: `patch_pca` (closed form, tiny), `conv` (the same with trained convolutions on top),
            `repwam` (a causal ViT autoencoder, RepWAM's RepViTok), `ltx_vae`
            (`AutoencoderKLLTXVideo` 0.9.5), or one from outside (see `video.codecs`).
        latent_channels: channels C of a latent.
        spatial_ratio: pixels per latent cell, height and width alike.
        temporal_ratio: frames per latent after the first, which stands alone (causal).
        tiled: of `ltx_vae`: images above 512 x 512 are encoded in tiles of that size, 448 pixels
            apart, whose overlaps are blended (DriveLaW, authors' release); else whole.
        posterior: the latents of an image: the `mode` of the codec's distribution, or a `sample`
            of it (DriveLaW, authors' release), seeded alike for every scene when planning.
        options: settings of a codec's own: `width` (channels at the finest level), `blocks` (of a
            level) and `whitening` (see there) of `conv`; `width`, `layers` (each of encoder and
            decoder), `heads` and `mlp` (hidden width of a block as a multiple of `width`) of
            `repwam`; and whatever one from outside reads.
    """

    kind: str
    latent_channels: int
    spatial_ratio: int
    temporal_ratio: int
    tiled: bool = False
    posterior: str = "mode"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Check every field."""
        own = CODEC_OPTIONS.get(self.kind, ())
        implementation("codec", "codec.kind", self.kind, self.options, own)
        positive(
            "codec",
            latent_channels=self.latent_channels,
            spatial_ratio=self.spatial_ratio,
            temporal_ratio=self.temporal_ratio,
        )
        found = (self.latent_channels, self.spatial_ratio, self.temporal_ratio)
        channels, pixels, frames = wanted = GEOMETRY.get(self.kind, found)
        require(
            found == wanted,
            f"codec.kind={self.kind} with (channels, spatial, temporal) = {found}",
            f"it has {channels} channels, {pixels} pixels and {frames} frames per latent",
        )
        values = 3 * self.spatial_ratio**2 * self.temporal_ratio
        require(
            self.kind not in _OF_PATCHES or self.latent_channels <= values,
            f"codec.latent_channels = {self.latent_channels} of patches of {values} values",
            f"use at most {values}: they are principal components",
        )
        choice("codec.posterior", self.posterior, ("mode", "sample"))
        require(
            not self.tiled or self.kind == "ltx_vae",
            f"codec.tiled = true with codec.kind={self.kind}",
            "only ltx_vae encodes in tiles: leave codec.tiled out",
        )

    @property
    def released(self) -> bool:
        """True for a codec that is nothing without the weights that others have trained."""
        return self.kind in GEOMETRY


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
        rope_time: time coordinate of a latent frame: its `index`; `seconds`, with LTX's causal
            shift; or `unshifted` seconds, index * ratio / fps (the video training of DriveLaW
            and of the authors' release; of a `clip` only).
        views: cameras whose frames stand one below the other; follows from the model's `cameras`.
        resize: how an image gets its size: `area` (pixel areas to shrink, bilinear to enlarge) or
            `bilinear` without antialiasing (DriveLaW's planner).
    """

    height: int
    width: int
    history_frames: int
    future_frames: int
    fps: float
    encoding: str
    rope_time: str
    views: int = 1
    resize: str = "area"

    def __post_init__(self) -> None:
        """Check every field."""
        positive(
            "clip",
            height=self.height,
            width=self.width,
            history_frames=self.history_frames,
            future_frames=self.future_frames,
            fps=self.fps,
            views=self.views,
        )
        choice("clip.encoding", self.encoding, ENCODINGS)
        choice("clip.rope_time", self.rope_time, ("index", "seconds", "unshifted"))
        choice("clip.resize", self.resize, ("area", "bilinear"))
        require(
            self.rope_time != "unshifted" or self.encoding == "clip",
            f"clip.rope_time=unshifted with clip.encoding={self.encoding}",
            "unshifted seconds are those of one causal clip: use clip.encoding=clip, or seconds",
        )

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
            require(
                size % spatial == 0,
                f"clip.{key} = {size} is not divisible by the codec's {spatial} pixels",
                f"use {size // spatial * spatial} or {(size // spatial + 1) * spatial}",
            )
        require(
            self.future_frames % temporal == 0,
            f"clip.future_frames = {self.future_frames} is not a multiple of {temporal}",
            f"a causal clip has {temporal}k+1 frames, the first of them not of the future",
        )
        require(
            self.encoding != "clip" or (self.history_frames - 1) % temporal == 0,
            f"clip.history_frames = {self.history_frames} is not {temporal}k+1",
            f"a causal clip has {temporal}k+1 frames: use {temporal + 1}",
        )


@dataclass(frozen=True)
class VideoConfig:
    """The Video DiT.

    Attributes:
        num_layers, num_heads, head_dim: depth; width D = num_heads * head_dim.
        caption_channels: width of text tokens before their projection.
        mid_blocks: blocks (from 1) with an auxiliary velocity head (the paper's set S).
        mid_head: `table` (2xD table and the shared time embedding) or `ig` (own AdaLN).
        text: the text of a sample of video training: `none` (one null token) or `prompt` (the
            embeddings of its own sentence, see `video.prompts`).
        context_tokens: append ego state and command as two learned tokens (Eq. 2's s and g).
        round_times: give the backbone 1000 t as a whole number, in training and in sampling
            (DriveLaW, authors' release).
        prior: `none`; or `last_latent`: velocities are what the network says beyond a closed form,
            the last history latent regressed and the Wiener filter around it (see `video.prior`):
            a small network need not learn to copy its input. Of `ltx` alone.
        backbone: `ltx`, `wan`, `world_action` (`ltx` with tokens of actions), or one from outside
            (see `video.backbones`).
        options: settings of a backbone's own: `ff_dim` of `wan` (hidden width of its
            feed-forward); of `world_action`, `action_ff` (that of its action tokens' own; the
            width of a token where it is not said) and `chunk` (future latents of a chunk, where a
            token sees its own chunk and earlier ones; without it all see all) and `window` (of
            those, only what is among so many latents up to its chunk's end); and whatever one from
            outside reads.
        views: cameras whose tokens it tells apart; follows from the model's `cameras`.
        action_numbers: of an action token, 0 for none; `action_tokens`: what it carries. Both
            follow from the model's `actions`.
        prior_frames: future latents of the prior; follows from the model's `clip`.
    """

    num_layers: int
    num_heads: int
    head_dim: int
    caption_channels: int
    mid_blocks: tuple[int, ...]
    mid_head: str = "table"
    text: str = "none"
    context_tokens: bool = False
    round_times: bool = False
    prior: str = "none"
    backbone: str = "ltx"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    views: int = 1
    prior_frames: int = 0
    action_numbers: int = 0
    action_tokens: str = LATENT

    def __post_init__(self) -> None:
        """Check every field."""
        own = OPTIONS.get(self.backbone, ())
        implementation("backbone", "video.backbone", self.backbone, self.options, own)
        if self.backbone == WORLD_ACTION:
            check_window(self.options)
        positive(
            "video",
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            head_dim=self.head_dim,
            caption_channels=self.caption_channels,
            views=self.views,
        )
        many = f"video.num_layers = {self.num_layers}"
        require(self.num_layers <= MOST_LAYERS, many, f"use at most {MOST_LAYERS}")
        require(
            self.prior == "none" or self.backbone == "ltx",
            f"video.prior = {self.prior} with video.backbone={self.backbone}",
            "only ltx has one: leave video.prior out",
        )
        require(
            self.width % 2 == 0 or self.backbone not in ("ltx", WORLD_ACTION),
            f"video width {self.width} is odd",
            "num_heads * head_dim must be even (rotary pairs)",
        )
        choice("video.prior", self.prior, ("none", "last_latent"))
        choice("video.mid_head", self.mid_head, ("table", "ig"))
        choice("video.text", self.text, ("none", "prompt"))
        blocks_within("video.mid_blocks", self.mid_blocks, self.num_layers)

    @property
    def of_chunks(self) -> bool:
        """Whether its attention is block-causal."""
        return self.backbone == WORLD_ACTION and "chunk" in self.options

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
        read_blocks: when planning, the Video DiT leaves after so many blocks, and the planner's
            blocks above read nothing; null = all, as in training.
        seed: of the plan's noise; every scene gets the same, whatever its batch.
        noise_scale: of that noise; below 1, a plan lies nearer to the mean of what it could be.
        round_times: give the Action DiT 1000 t as a whole number (DriveLaW, authors' release).
        projected_blocks: blocks (from 1) with a projected readout, LayerNorm and linear of the
            attended video states (authors' release); none = the paper's readout.
        waypoint_embedding: add a learned vector to each waypoint's token. The paper's Action DiT
            (DriveLaW's) has none: only the noise and the rotary angles tell its waypoints apart.
        head: `action_dit`, or one from outside (see `planner.heads`).
        options: settings of a head from outside, which it reads itself.
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
    read_blocks: int | None = None
    seed: int = 42
    noise_scale: float = 1.0
    round_times: bool = False
    projected_blocks: tuple[int, ...] = ()
    waypoint_embedding: bool = False
    head: str = "action_dit"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Check every field."""
        implementation("planner_head", "planner.head", self.head, self.options)
        positive(
            "planner",
            num_heads=self.num_heads,
            head_dim=self.head_dim,
            ff_dim=self.ff_dim,
            ego_hidden=self.ego_hidden,
            horizon=self.horizon,
            interval=self.interval,
            steps=self.steps,
        )
        choice("planner.normalisation", self.normalisation, ("drivelaw", "waypoint"))
        choice("planner.sigmas", self.sigmas, tuple(SCHEDULES))
        require(
            self.noise_scale >= 0,
            f"planner.noise_scale = {self.noise_scale}",
            "use 0 (no noise) to 1 (as in training)",
        )
        require(
            self.noise_scale > 0 or self.waypoint_embedding,
            "planner.noise_scale = 0 without planner.waypoint_embedding: nothing would tell the "
            "waypoints apart, and all would get the same normalised value",
            "set waypoint_embedding: true and train, or noise_scale: 1.0",
        )
        require(
            len(self.ego_scale) == 8,
            f"planner.ego_scale has {len(self.ego_scale)} numbers",
            "give 8: vx, vy, ax, ay and the four commands",
        )
        require(
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
    """A whole model.

    Attributes:
        name: of the configuration.
        codec, video, planner: the parts.
        clip: what the planner sees; world_clip: a sample of video training.
        sampling: how a future is imagined.
        prompt: how the planner's sentence is embedded, where it has one.
        recipe: `paper`, or `release`: as the authors' own code differs from it.
        cameras: that the planner sees, by their names in NAVSIM; the first is the one that a
            `world_clip` shows. In a file also `three` or `surround`. `clip.views` and
            `video.views` follow from them.
        actions: latent actions, for a backbone with tokens of them; None = none.
    """

    name: str
    codec: CodecConfig
    clip: ClipConfig
    world_clip: ClipConfig
    video: VideoConfig
    planner: PlannerConfig
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    recipe: str = "paper"
    cameras: tuple[str, ...] = FRONT
    actions: ActionsConfig | None = None

    def __post_init__(self) -> None:
        """Check what the parts must be to each other."""
        self._count_views()
        self._count_prior()
        self._count_actions()
        choice("recipe", self.recipe, RECIPES)
        self.clip.check(self.codec)
        self.world_clip.check(self.codec)
        depth = self.video.num_layers
        blocks_within("planner.projected_blocks", self.planner.projected_blocks, depth)
        if self.planner.read_blocks is not None:
            blocks_within("planner.read_blocks", (self.planner.read_blocks,), depth)
        require(
            self.sampling.cfg == 1 or self.video.text == "prompt",
            f"sampling.cfg = {self.sampling.cfg}, but video.text = {self.video.text}",
            "classifier-free guidance needs prompts: set video.text: prompt, or cfg: 1.0",
        )

    def _count_views(self) -> None:
        """Give clip and backbone the number of the cameras."""
        names = camera_names(self.cameras)
        object.__setattr__(self, "cameras", names)
        for key in ("clip", "video"):
            part = getattr(self, key)
            require(
                part.views in (1, len(names)),
                f"{key}.views = {part.views}, but the model has {len(names)} cameras",
                f"name them in cameras, and leave {key}.views out",
            )
            object.__setattr__(self, key, dataclasses.replace(part, views=len(names)))
        require(
            self.world_clip.views == 1,
            f"world_clip.views = {self.world_clip.views}",
            "a clip of video training shows one camera: leave it out",
        )

    def _count_prior(self) -> None:
        """Give the backbone the number of the future latents that its prior foresees."""
        video, frames = self.video, 0
        if video.prior != "none":
            frames = self.clip.future_latents(self.codec.temporal_ratio)
            require(
                self.clip.encoding == "continued",
                f"video.prior = {video.prior} with clip.encoding={self.clip.encoding}",
                "the prior continues the current frame: use clip.encoding: continued",
            )
        require(
            video.prior_frames in (0, frames),
            f"video.prior_frames = {video.prior_frames}, but the clip has {frames}",
            "leave video.prior_frames out",
        )
        object.__setattr__(self, "video", dataclasses.replace(video, prior_frames=frames))

    def _count_actions(self) -> None:
        """Give the backbone the numbers of its action tokens."""
        video, actions = self.video, self.actions
        channels = self.codec.latent_channels
        check_actions(actions, video.backbone, self.clip.encoding, channels)
        require(
            video.backbone != WORLD_ACTION or len(self.cameras) == 1,
            f"video.backbone={WORLD_ACTION} with {len(self.cameras)} cameras",
            "it has one camera",
        )
        numbers = 0 if actions is None else actions.numbers
        require(
            video.action_numbers in (0, numbers),
            f"video.action_numbers = {video.action_numbers}, but the model has {numbers}",
            "leave video.action_numbers out",
        )
        kind = LATENT if actions is None else actions.tokens
        video = dataclasses.replace(video, action_numbers=numbers, action_tokens=kind)
        object.__setattr__(self, "video", video)

    @property
    def implementations(self) -> dict[str, str]:
        """The name of the codec, the backbone and the planner head, by their setting."""
        return {
            "codec.kind": self.codec.kind,
            "video.backbone": self.video.backbone,
            "planner.head": self.planner.head,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary, tuples as lists; `from_dict` takes it back."""
        return listed(dataclasses.asdict(self))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Build from a nested mapping; unknown and missing fields raise ConfigError."""
        named = {"cameras": camera_names(values["cameras"])} if "cameras" in values else {}
        return build_dataclass(cls, {**values, **named}, "model")

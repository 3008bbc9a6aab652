"""A clip's future, imagined: history frames to future frames through the self-guided sampler.

Shapes: B clips, T frames, N video tokens, C latent channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from reworld_agent.config import ClipConfig, ModelConfig
from reworld_agent.core.errors import ConfigError, DataError, UsageError, WeightsError
from reworld_agent.generation.plans import planned_actions
from reworld_agent.generation.settings import TILE
from reworld_agent.model import ReWorldModel
from reworld_agent.video.backbones.action_tokens import ActionTokens
from reworld_agent.video.backbones.world_action import WorldActionDiT
from reworld_agent.video.chunks import NO_CHUNKS, ChunkSampler
from reworld_agent.video.conditioning import Grid, Layout, pack, unpack
from reworld_agent.video.encoding import decode_future
from reworld_agent.video.sampler import (
    Guidance,
    Velocity,
    cfg_velocity,
    dit_velocity,
    sample_video,
)

Features = dict[str, Tensor]


@dataclass(frozen=True)
class Sampling:
    """How futures are generated.

    Attributes:
        gamma: self-guidance (Eq. 9); 1 = off. Where it acts is the configuration's.
        steps: Euler steps.
        cfg: classifier-free guidance, of models with prompts; 1 = off.
        seed: clip number k gets the noise of seed + k, whatever the batch.
        batch: clips at once.
        tile: side of the tiles that latents are decoded in, pixels; 0 = whole frames.
        chunked: chunk after chunk, with what past chunks have said kept (`video.chunks`).
    """

    gamma: float = 1.4
    steps: int = 30
    cfg: float = 1.0
    seed: int = 0
    batch: int = 1
    tile: int = TILE
    chunked: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError where a number is out of its range."""
        for name, value in (("gamma", self.gamma), ("cfg", self.cfg)):
            if not 0 < value < float("inf"):
                raise ConfigError(f"{name}={value}", f"a positive number; {name}=1 for none")
        if min(self.steps, self.batch) < 1 or min(self.tile, self.seed) < 0:
            raise ConfigError(
                f"steps={self.steps} batch={self.batch} tile={self.tile} seed={self.seed}",
                "steps and batch count from 1, tile and seed from 0",
            )


@dataclass(frozen=True)
class Conditions:
    """What the futures of a batch of clips are imagined under, beside their history.

    Attributes:
        features: what else the model is conditioned on, see `ReWorldModel.context`: `ego` [B, 8]
            for context tokens, `prompt` and `prompt_mask` for prompts; None = nothing.
        negative: the prompt that classifier-free guidance leads away from.
        plans: [B, L, 3] (m, m, rad; ego frame), of a model with actions; None = none.
    """

    features: Features | None = None
    negative: Features | None = None
    plans: Tensor | None = None


UNCONDITIONED = Conditions()


def resized(config: ModelConfig, clip: ClipConfig, **changes: Any) -> ClipConfig:
    """A clip of a model with other sizes or lengths; UsageError where its codec cannot cut it.

    Args:
        config: of the model.
        clip: the model's clip.
        changes: fields of ClipConfig; None leaves one as it is.
    """
    wanted = {key: value for key, value in changes.items() if value is not None}
    changed = replace(clip, **wanted)
    try:
        changed.check(config.codec)
    except ConfigError as error:
        raise UsageError(error.message, error.hint) from error
    return changed


@torch.no_grad()
def generate(
    model: ReWorldModel,
    history: Tensor,
    clip: ClipConfig,
    sampling: Sampling,
    first: int = 0,
    conditions: Conditions = UNCONDITIONED,
    progress: bool = False,
) -> Tensor:
    """Futures uint8 [B, T_future, 3, H, W] of histories uint8 [B, T_history, 3, H, W].

    Args:
        model: in evaluation mode.
        history: ends with the present frame.
        clip: sizes and lengths, see `resized`.
        sampling: see there.
        first: number of the first clip, for its noise.
        conditions: see there.
        progress: show a bar of the steps.

    Raises:
        ConfigError: plans for a model without actions, or chunks of one without.
        DataError: the history is of another size, or a condition that the model needs is missing.
        WeightsError: what comes out is not finite.
    """
    _check_history(history, clip)
    past = model.encode(history, clip=clip)
    latents = imagined(model, past, clip, sampling, first, conditions, progress)
    return decode_latents(model, clip, latents, sampling.tile)


@torch.no_grad()
def imagined(
    model: ReWorldModel,
    past: Tensor,
    clip: ClipConfig,
    sampling: Sampling,
    first: int = 0,
    conditions: Conditions = UNCONDITIONED,
    progress: bool = False,
) -> Tensor:
    """Normalised latents [B, C, F, h, w] of history and future; `past` are those of the history.

    Everything else as for `generate`.
    """
    grid = Grid.of(clip, model.config.codec)
    noise = _noise(past, grid, sampling.seed + first)
    condition = torch.cat([past, torch.zeros_like(noise)], dim=2)
    tokens = [pack(x).to(model.video_dit.dtype) for x in (condition, _padded(past, noise))]
    how = (sampling.steps, model.config.sampling.sigmas)
    if sampling.chunked:
        chunks = _chunks(model, clip, sampling, conditions, len(past))
        found = chunks.sample(tokens[0], tokens[1], *how)
    else:
        velocity = _velocity(model, clip, sampling, conditions, len(past))
        future = grid.future_mask(model.device)
        found = sample_video(velocity, tokens[0], future, tokens[1], *how, progress)
    latents = unpack(found, grid).to(past.dtype)
    if not torch.isfinite(latents).all():
        raise WeightsError(
            f"the future of clip {first} is not finite after {sampling.steps} steps",
            "the weights are damaged, or gamma is too large: try gamma=1",
        )
    return latents


def _chunks(
    model: ReWorldModel,
    clip: ClipConfig,
    sampling: Sampling,
    conditions: Conditions,
    batch: int,
) -> ChunkSampler:
    """Imagines chunk after chunk, self-guided."""
    if sampling.cfg != 1:
        raise ConfigError(f"cfg={sampling.cfg} with chunked=true", "imagine with cfg=1")
    if not isinstance(model.video_dit, WorldActionDiT):
        raise ConfigError("chunked=true, but the model is not of chunks", NO_CHUNKS)
    guidance = Guidance.of(replace(model.config.sampling, gamma=sampling.gamma))
    context, rounded = model.context(batch, conditions.features), model.config.video.round_times
    layout = model.layout(clip)
    actions = _actions(model, conditions, layout)
    return ChunkSampler(model.video_dit, context, layout, guidance, rounded, actions)


def _velocity(
    model: ReWorldModel,
    clip: ClipConfig,
    sampling: Sampling,
    conditions: Conditions,
    batch: int,
) -> Velocity:
    """Self-guided, and led away from the negative prompt where cfg is not 1."""
    guidance = Guidance.of(replace(model.config.sampling, gamma=sampling.gamma))
    layout = model.layout(clip)
    actions = _actions(model, conditions, layout)
    features, negative = conditions.features, conditions.negative

    def conditioned(words: Features | None) -> Velocity:
        rounded, condition = model.config.video.round_times, model.context(batch, words)
        return dit_velocity(model.video_dit, condition, layout, guidance, rounded, actions)

    if sampling.cfg == 1:
        return conditioned(features)
    if negative is None or model.config.video.text != "prompt":
        raise ConfigError(f"cfg={sampling.cfg} needs prompts", "take a model with them, or cfg=1")
    return cfg_velocity(
        conditioned(features), conditioned({**(features or {}), **negative}), sampling.cfg
    )


def _actions(model: ReWorldModel, conditions: Conditions, layout: Layout) -> ActionTokens | None:
    plans = conditions.plans
    return None if plans is None else planned_actions(model, plans, layout)


def _check_history(history: Tensor, clip: ClipConfig) -> None:
    wanted = (clip.history_frames, 3, clip.views * clip.height, clip.width)
    if tuple(history.shape[1:]) != wanted or history.dtype != torch.uint8:
        raise DataError(
            f"the history is {history.dtype} {tuple(history.shape[1:])}, not uint8 {wanted}",
            "read it with size= and count= of the model's clip",
        )


def _noise(past: Tensor, grid: Grid, seed: int) -> Tensor:
    """Noise [B, C, F_future, h, w]; each clip its own generator, so that batches do not matter."""
    shape = (past.size(1), grid.future, grid.rows, grid.width)
    draws = [
        torch.randn(shape, generator=torch.Generator().manual_seed(seed + k))
        for k in range(len(past))
    ]
    return torch.stack(draws).to(past)


def _padded(past: Tensor, noise: Tensor) -> Tensor:
    """Noise in the place of all latents; the sampler reads that of the future alone."""
    return torch.cat([torch.zeros_like(past), noise], dim=2)


def decode_latents(model: ReWorldModel, clip: ClipConfig, latents: Tensor, tile: int) -> Tensor:
    """Future frames of latents [B, C, F, h, w], one clip at a time and in tiles: memory stays.

    Latents of history and future; frames uint8 [B, T_future, 3, V H, W], on the CPU.
    """
    with tiled(model.codec, tile):
        clips = [decode_future(model.codec, clip, latents[k : k + 1]) for k in range(len(latents))]
    return torch.cat(clips).cpu()


@contextmanager
def tiled(codec: Any, tile: int) -> Iterator[None]:
    """Let a codec that can (the LTX VAE) decode in blended tiles of `tile` pixels inside.

    A codec whose cells do not see each other (patch PCA) needs no tiles and has none.
    """
    if not tile or not hasattr(codec, "enable_tiling"):
        yield
        return
    ratio = codec.spatial_compression_ratio
    side = max(2 * ratio, tile // ratio * ratio)
    step = side - max(ratio, side // 8 // ratio * ratio)
    codec.enable_tiling(side, side, tile_sample_stride_height=step, tile_sample_stride_width=step)
    try:
        yield
    finally:
        codec.disable_tiling()

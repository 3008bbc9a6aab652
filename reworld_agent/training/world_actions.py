"""Actions as tokens of Stage 1 (RepWAM): what they carry, how they are noised, their loss.

    L = L_Gen + L_world_action,   each a mean squared error of a velocity noise - data

A sample's actions are known (t = 0), or unknown (t = 1), or each is noised at a time of its own: so
the same weights imagine what an action leads to, what may come, and what an action was.
Shapes: B scenes, C latent channels, F latent frames, A = F_future actions, n numbers of an action.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reworld_agent.config.actions import REAL, WORLD_ACTION
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.model import ReWorldModel
from reworld_agent.objectives.flow import interpolate, velocity_target
from reworld_agent.objectives.sharded_rng import ShardedRng
from reworld_agent.video.backbones import VideoOutput
from reworld_agent.video.backbones.action_tokens import ActionTokens
from reworld_agent.video.backbones.causal import CleanFuture
from reworld_agent.video.conditioning import Grid, Layout
from reworld_agent.video.encoding import denormalise
from reworld_agent.video.latent_actions import LatentActions, latent_tokens, plan_motion

KNOWN, UNKNOWN = 1 / 3, 1 / 3  # shares of samples whose actions are clean, and are noise


@dataclass(frozen=True)
class NoisedActions:
    """Action tokens of a batch, and the velocity [B, A, n] that they should have.

    Attributes:
        tokens, target: see above.
        past: the same actions as chunks that are past carry them: clean, or noise in samples where
            nothing is known of an action.
    """

    tokens: ActionTokens
    target: Tensor
    past: ActionTokens

    def loss(self, output: VideoOutput) -> Tensor:
        """Mean squared error over tokens that are noised; 0 where none is."""
        assert output.actions is not None, "of a backbone with action tokens"
        noised = (self.tokens.times > 0)[..., None].to(self.target)
        error = (output.actions - self.target).square() * noised
        return error.sum() / (noised.sum() * error.size(2)).clamp(min=1)


def noised_actions(
    model: ReWorldModel,
    latents: Tensor,
    targets: dict[str, Tensor],
    rng: ShardedRng,
    layout: Layout,
) -> NoisedActions | None:
    """Of normalised latents [B, C, F, h, w]; None where the model has no action tokens.

    Args:
        model: whose tokens carry latent or real actions.
        latents: of history and future.
        targets: `trajectory` [B, L, 3] for real actions.
        rng: of times and noise.
        layout: of the clip.

    Raises:
        ConfigError: the latents are of another size than those of the latent actions.
        DataError: real actions of clips, which have no trajectory.
    """
    if model.latent_actions is None:
        return None
    with torch.no_grad():
        clean = _clean(model, model.latent_actions, latents, targets, layout)
    clean = clean.to(model.video_dit.dtype)
    share = rng.times((len(clean), 1), "uniform", clean)
    times = rng.times((len(clean), clean.size(1)), "uniform", clean)
    times = torch.where(share < KNOWN, torch.zeros_like(times), times)
    times = torch.where(share > 1 - UNKNOWN, torch.ones_like(times), times)
    noise = rng.normal(clean.shape, clean)
    tokens = ActionTokens.of(interpolate(clean, noise, times), times, layout)
    unknown = (share > 1 - UNKNOWN).expand_as(times)
    past = torch.where(unknown[..., None], noise, clean)
    behind = ActionTokens.of(past, unknown.to(times), layout)
    return NoisedActions(tokens, velocity_target(clean, noise), behind)


def _clean(
    model: ReWorldModel,
    actions: LatentActions,
    latents: Tensor,
    targets: dict[str, Tensor],
    layout: Layout,
) -> Tensor:
    """What the tokens carry, [B, A, n]."""
    grid = layout.grid
    if model.config.video.action_tokens == REAL:
        if "trajectory" not in targets:
            message = "actions.tokens = real, but clips have no trajectory"
            raise DataError(message, "learn from scenes: leave clips= out")
        ratio = model.config.codec.temporal_ratio
        motion = plan_motion(targets["trajectory"].to(latents.device), ratio, grid.future)
        return actions.standard_motion(motion)
    if grid.cells != actions.tokens:
        message = f"latents of {grid.cells} cells, latent actions of {actions.tokens}"
        raise ConfigError(message, "train on clips as large as the model's own: without phases")
    seen = denormalise(model.codec, latents[:, :, grid.history - 1 :].float())
    return actions.between(latent_tokens(seen))


def drawn_chunk(model: ReWorldModel, rng: ShardedRng, like: Tensor) -> dict[str, Any]:
    """The length of a batch's chunks, from 1 to the model's own; empty where it has none.

    All lengths share weights; one length is drawn for all processes.
    """
    most = model.config.video.options.get("chunk")
    if model.config.video.backbone != WORLD_ACTION or not most:
        return {}
    share = rng.common(like)
    return {"chunk": 1 + min(int(share * most), most - 1)}


def clean_past(
    share: float, clean: Tensor, acted: NoisedActions | None, rng: ShardedRng, grid: Grid
) -> dict[str, Any]:
    """In a share of batches, the clean future that noised chunks see of the past; else empty.

    Args:
        share: of batches, the same for all processes.
        clean: latents [B, N, C] of history and future.
        acted: actions of the batch; None = nothing is known of them.
        rng: of one number a batch, where the share is not 0.
        grid: of the clip.
    """
    if share == 0 or rng.common(clean) >= share:
        return {}
    future = clean[:, grid.history * grid.cells :]
    return {"clean": CleanFuture(future, None if acted is None else acted.past)}

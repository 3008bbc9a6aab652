"""One forward of a video backbone: the only place where the arguments of its `forward` are named.

Shapes: B batch, N video tokens, C latent channels.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from torch import Tensor

from reworld_agent.video.backbones.action_tokens import ActionTokens
from reworld_agent.video.backbones.output import VideoOutput
from reworld_agent.video.backbones.protocol import Condition
from reworld_agent.video.conditioning import Layout
from reworld_agent.video.heads import TIMESTEPS


def condition_of(text: Tensor, mask: Tensor | None = None, ego: Tensor | None = None) -> Condition:
    """The condition c^v of B samples.

    Args:
        text: tokens [B, M, caption channels].
        mask: [B, M], 1 where a text token counts; None = all.
        ego: [B, 8], of models with context tokens.
    """
    return {"encoder_hidden_states": text, "encoder_attention_mask": mask, "ego": ego}


def run_backbone(
    backbone: Callable[..., VideoOutput],
    tokens: Tensor,
    times: Tensor,
    layout: Layout,
    condition: Condition,
    *,
    tap: Collection[int] = (),
    stop_after: int | None = None,
    run_heads: bool = True,
    round_times: bool = False,
    actions: ActionTokens | None = None,
    **more: Any,
) -> VideoOutput:
    """Velocity of noisy latents, and the states of blocks.

    Args:
        backbone: a `VideoBackbone`, or what wraps one (an average, DDP).
        tokens: noisy latents [B, N, C].
        times: t (1 = noise, 0 = clean), of shape [B], or [B, T] or [1, T] where T divides N: one
            for each run of N / T tokens, such as a token or a latent frame.
        layout: where the tokens are.
        condition: c^v of the B samples, see `ReWorldModel.context`.
        tap: blocks (from 1) whose states are returned.
        stop_after: leave after this block; there is no velocity then.
        run_heads: evaluate the mid heads.
        round_times: 1000 t is a whole number (`VideoConfig.round_times`).
        actions: of a backbone with tokens of them; None = nothing is known of them.
        more: of the backbone `world_action` alone, see there.
    """
    timestep = times * TIMESTEPS
    if actions is not None:
        more["actions"] = actions
    return backbone(
        tokens,
        timestep=timestep.round() if round_times else timestep,
        video_coords=layout.coords,
        grid=layout.grid,
        tap=tap,
        stop_after=stop_after,
        run_heads=run_heads,
        **condition,
        **more,
    )

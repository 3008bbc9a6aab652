"""Frozen states of a model, averaged over tokens.

Shapes: B samples, T frames, L blocks, D width. Block 0 stands for the codec's latents, the
baseline that a Video DiT must beat.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reworld_agent.model import ReWorldModel
from reworld_agent.video.backbones import run_backbone
from reworld_agent.video.conditioning import pack
from reworld_agent.video.encoding import encode_clip

States = list[NDArray[np.float32]]  # [D_l] of each block, block 0 first


@torch.inference_mode()
def planning_states(model: ReWorldModel, features: dict[str, Tensor]) -> list[States]:
    """What the planner reads: history clean, noise for the future. `images` [B,T,3,H,W], `ego`."""
    history = model.encode(features["images"])
    states = model.video_states(history, model.future_noise(len(history)), features)
    return _pooled(history, states)


@torch.inference_mode()
def clip_states(model: ReWorldModel, images: Tensor) -> list[States]:
    """A whole clip, clean (t = 0), at the size of the model's world clip: uint8 [B,T,3,H,W]."""
    clip = model.config.world_clip
    past, future = images.to(model.device).split([clip.history_frames, clip.future_frames], dim=1)
    latents = encode_clip(model.codec, clip, past, future)
    tokens = pack(latents).to(model.video_dit.dtype)
    blocks = range(1, model.config.video.num_layers + 1)
    still = {"ego": torch.zeros(len(images), 8)}
    output = run_backbone(
        *(model.video_dit, tokens, torch.zeros(tokens.shape[:2], device=tokens.device)),
        model.layout(clip),
        model.context(len(images), still, planning=True),
        tap=blocks,
        stop_after=blocks[-1],
        run_heads=False,
    )
    return _pooled(latents, output.states)


def _pooled(latents: Tensor, states: Sequence[Tensor]) -> list[States]:
    means = [latents.mean(dim=(2, 3, 4)), *(state.mean(dim=1) for state in states)]
    arrays = [mean.float().cpu().numpy() for mean in means]
    return [[array[n] for array in arrays] for n in range(len(latents))]

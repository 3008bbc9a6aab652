"""The closed form that a Video DiT starts from, fitted to a codec's latents (see `video.prior`)."""

from __future__ import annotations

import torch
from torch import Tensor

from reworld_agent.model import ReWorldModel
from reworld_agent.video.encoding import normalise

_BATCH = 16  # clips of one forward


@torch.no_grad()
def fit_prior(model: ReWorldModel, pixels: Tensor) -> None:
    """Fit `video.prior` of a model in place; nothing where it has none.

    Args:
        model: its codec is fitted and trained.
        pixels: the current frame and the future of training scenes, [B, 3, 1 + k r, H, W] in
            [-1, 1]; more future than the model's clip has is left out.
    """
    prior = getattr(model.video_dit, "prior", None)
    if prior is None:
        return
    frames = 1 + model.config.video.prior_frames * model.config.codec.temporal_ratio
    found = [
        normalise(model.codec, model.codec.encode(batch).latent_dist.mode())
        for batch in pixels[:, :, :frames].split(_BATCH)
    ]
    prior.fit(torch.cat(found))

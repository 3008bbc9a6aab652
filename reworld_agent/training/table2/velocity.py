"""What a trained Video DiT is worth: the error of its velocity.

The averaged weights are evaluated. Shapes: M clips, T frames, N tokens, C latent channels.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reworld_agent.objectives.baselines import WorldBatch
from reworld_agent.objectives.flow import masked_mse
from reworld_agent.training.table2.module import WorldModule, grid_of

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
BATCH = 32


def clean_tokens(module: WorldModule, frames: Tensor) -> Tensor:
    """Clean tokens of uint8 frames [M, T, 3, H, W], with the method's channels: [M, N, C]."""
    latents = module.latents(frames)
    return module.representation.extend(latents, frames, grid_of(module.protocol))


def fixed_noise(shape: torch.Size, seed: int, like: Tensor) -> Tensor:
    """Noise of a seed, drawn on the CPU, of the type and on the device of `like`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).to(like)


@torch.no_grad()
def velocity_error(module: WorldModule, frames: Tensor, seed: int = 1) -> float:
    """Mean squared error of the velocity of the latent's channels, over five noise levels.

    The noise is the same for every method and step.

    Args:
        module: in evaluation mode.
        frames: uint8 [M, T, 3, H, W] that it was not trained on.
        seed: of the noise.
    """
    grid, channels = grid_of(module.protocol), module.protocol.codec.latent_channels
    errors = []
    for start in range(0, len(frames), BATCH):
        some = frames[start : start + BATCH].to(module.device)
        clean = clean_tokens(module, some)
        # drawn over the latent's channels first: the same for methods with more of them
        noise = torch.cat(
            [
                fixed_noise(part.shape, seed + start + k, clean)
                for k, part in enumerate((clean[..., :channels], clean[..., channels:]))
            ],
            dim=-1,
        )
        for level in LEVELS:
            times = grid.token_times(clean.new_full((len(clean),), level))
            future = grid.future_mask(clean.device)
            batch = WorldBatch(clean, noise, times, None, future, some, grid)
            found = module.run(module.averaged, batch.noisy, times, run_heads=False).velocity
            target = (noise - clean)[..., :channels]
            error = masked_mse(found[..., :channels], target, future)
            errors.append((float(error), len(some)))
    values, counts = np.array(errors).T
    return float(np.average(values, weights=counts))

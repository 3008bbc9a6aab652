"""The futures that a trained Video DiT imagines, and how near they come to the real ones.

The averaged weights are evaluated. Shapes: M clips, T frames, N tokens, C latent channels.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from reworld_agent.training.table2.module import WorldModule, grid_of
from reworld_agent.training.table2.velocity import BATCH, clean_tokens, fixed_noise
from reworld_agent.video.backbones import VideoBackbone
from reworld_agent.video.conditioning import unpack
from reworld_agent.video.encoding import decode_future
from reworld_agent.video.sampler import Guidance, dit_velocity, sample_video
from reworld_agent.video_metrics import i3d_logits
from reworld_agent.video_metrics.estimate import distance
from reworld_agent.video_metrics.views import scaled


@torch.no_grad()
def imagine(
    module: WorldModule, frames: Tensor, gamma: float = 1.0, steps: int = 30, seed: int = 1
) -> Tensor:
    """The futures, uint8 [M, T_future, 3, H, W], that follow the history of clips.

    Args:
        module: in evaluation mode.
        frames: uint8 [M, T, 3, H, W]; only the history of each is seen.
        gamma: self-guidance (Eq. 9); 1 = the plain velocity.
        steps: Euler steps.
        seed: of the noise.
    """
    protocol, channels = module.protocol, module.protocol.codec.latent_channels
    grid = grid_of(protocol)
    guidance = None if gamma == 1 else Guidance(gamma)
    found = []
    for start in range(0, len(frames), BATCH):
        some = frames[start : start + BATCH].to(module.device)
        clean = clean_tokens(module, some)
        # the condition alone reaches the sampler
        future = grid.future_mask(clean.device)
        condition = clean * ~future[:, None]
        velocity = dit_velocity(
            cast(VideoBackbone, module.averaged.module),
            module.condition(len(some)),
            module.layout,
            guidance,
        )
        noise = fixed_noise(clean.shape, seed + start, clean)
        tokens = sample_video(velocity, condition, future, noise, steps)[..., :channels]
        found.append(decode_future(module.codec, protocol.clip, unpack(tokens, grid)).cpu())
    return torch.cat(found)


def pixel_psnr(imagined: Tensor, real: Tensor) -> float:
    """Mean PSNR, dB, of imagined and real futures, uint8 [M, T, 3, H, W]."""
    error = (imagined.double() - real.double()).square().flatten(1).mean(dim=1)
    return float((10 * torch.log10(255**2 / error.clamp(min=1e-9))).mean())


def i3d_features(clips: Tensor, progress: bool = True) -> NDArray[np.float64]:
    """I3D logits [M, 400] of uint8 clips [M, T, 3, H, W], T of 10 or more, scaled to 224 x 224."""
    found = [
        i3d_logits(scaled(clip.numpy(), 224)[None]).double()
        for clip in tqdm(clips, desc="I3D", disable=not progress, leave=False)
    ]
    return torch.cat(found).cpu().numpy()


def fvd(real: NDArray[np.float64], imagined: Tensor) -> float:
    """Fréchet video distance of real clips' I3D logits [M, 400] and clips uint8 [M, T, 3, H, W].

    With fewer than 256 clips it is biased upwards: compare it only with others over as many.
    """
    return distance(real, i3d_features(imagined))

"""Frozen image encoders that a codec's latents are aligned with, and the alignment.

None is trained here, and none is fetched but AlexNet, whose convolutions stand in the weights file
of LPIPS. Shapes: N images, D width of the features, h, w cells.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from reworld_agent.core.errors import ConfigError
from reworld_agent.objectives.baselines.encoders import FrozenEncoder
from reworld_agent.video_metrics.lpips_network import SMALLEST, load_lpips


class ImageEncoder(nn.Module):
    """What gives features of single images, and never learns.

    Attributes:
        width: D.
    """

    width: int

    def features(self, images: Tensor, rows: int, columns: int) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1] to features [N, D, rows, columns], a cell each."""
        raise NotImplementedError


class AlexNet(ImageEncoder):
    """The fifth map of AlexNet (ImageNet), resized to the cells; the convolutions of LPIPS."""

    width = 256

    def __init__(self, folder: Path | None) -> None:
        super().__init__()
        if folder is not None:
            message = f"align_folder={folder} with align_encoder=alexnet, which takes LPIPS's file"
            raise ConfigError(message, "leave align_folder out, or use another align_encoder")
        self.network = copy.deepcopy(load_lpips("alex"))  # which others share, on their device

    def features(self, images: Tensor, rows: int, columns: int) -> Tensor:
        """See `ImageEncoder`."""
        if min(images.shape[2:]) < SMALLEST["alex"]:
            size, least = f"{images.size(2)} x {images.size(3)}", SMALLEST["alex"]
            message = f"clips of {size} pixels are too small for align_encoder=alexnet"
            raise ConfigError(message, f"use at least {least} pixels a side: set crop= higher")
        last = self.network.features(images)[-1]
        return functional.interpolate(last, (rows, columns), mode="bilinear", align_corners=False)


class Pretrained(ImageEncoder):
    """The last map of an image encoder of `transformers`, pooled to the cells.

    Args:
        name: `dinov2` or `dinov2_registers`.
        folder: its weights.

    Raises:
        ConfigError: no folder.
        WeightsError: the folder has not its weights.
    """

    def __init__(self, name: str, folder: Path | None) -> None:
        super().__init__()
        if folder is None:
            message = f"align_encoder={name} without its weights"
            raise ConfigError(message, "set align_folder= to a folder of transformers' format")
        self.network = FrozenEncoder(name, folder)
        self.width = self.network.width

    def features(self, images: Tensor, rows: int, columns: int) -> Tensor:
        """See `ImageEncoder`."""
        maps = self.network.maps((images[:, None] + 1) * 127.5)[:, 0]
        return functional.adaptive_avg_pool2d(maps, (rows, columns))


# By the name in align_encoder=; each is given the folder of its weights, or None.
ENCODERS: dict[str, Callable[[Path | None], ImageEncoder]] = {
    "alexnet": AlexNet,
    "dinov2": partial(Pretrained, "dinov2"),
    "dinov2_registers": partial(Pretrained, "dinov2_registers"),
}


class Alignment(nn.Module):
    """L_align of RepWAM (arXiv 2606.13674, eq. 2): |mean_t(W z) - mean_t(G(o))|².

    The mean over time leaves motion free: a clip's latents are to say what it shows, place by
    place. Features are of root mean square 1 in each place, and the square is a mean over features
    and places, so that weights mean the same for every encoder (the paper says neither).

    Args:
        encoder: G, which stays as it is.
        channels: of the latents.
    """

    def __init__(self, encoder: ImageEncoder, channels: int) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False).eval()
        self.project = nn.Linear(channels, encoder.width)

    def forward(self, latents: Tensor, pixels: Tensor) -> Tensor:
        """The loss of latents [B, C, F, h, w] of clips [B, 3, T, H, W] in [-1, 1]."""
        wanted = self.target(pixels, *latents.shape[3:])
        found: Tensor = self.project(latents.mean(dim=2).movedim(1, -1))
        return (found - wanted.movedim(1, -1)).square().mean()

    @torch.no_grad()
    def target(self, pixels: Tensor, rows: int, columns: int) -> Tensor:
        """Features [B, D, h, w] of clips: the mean over their frames."""
        frames = pixels.transpose(1, 2)
        found = self.encoder.features(frames.flatten(0, 1), rows, columns)
        level = found.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-6)
        return (found / level).unflatten(0, frames.shape[:2]).mean(dim=1)

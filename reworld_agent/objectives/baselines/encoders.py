"""Frozen encoders of REPA and ReDi, through `transformers`, and their features on the latent grid.

Weights come from a folder in the `transformers` layout; without one the encoder is random, which
costs the same and shows the mathematics, and says nothing about the method's worth.
Shapes: B clips, T frames, E feature width, N tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reworld_agent.core.errors import ConfigError, WeightsError
from reworld_agent.video.conditioning import Grid, pack

logger = logging.getLogger(__name__)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class EncoderKind:
    """One encoder: its `transformers` classes and how frames enter.

    Attributes:
        config, model: names of the classes in `transformers`.
        patch: pixels per patch; tubelet: frames per token (1: an image encoder, frame by frame).
        size: pixels of a side at full size.
        frames: number of frames that the encoder was built for; None = any multiple of `tubelet`.
        full, small: arguments of the configuration at full size, and for tests.
        note: what a reader must know.
    """

    config: str
    model: str
    patch: int
    tubelet: int
    size: int
    frames: int | None = None
    full: dict[str, Any] = field(default_factory=dict)
    small: dict[str, Any] = field(default_factory=dict)
    note: str = ""


_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
_TUBE_SMALL = {**_SMALL, "patch_size": 16}

_DINOV2 = EncoderKind(
    "Dinov2Config",
    "Dinov2Model",
    patch=14,
    tubelet=1,
    size=224,
    full={"image_size": 518, "patch_size": 14},
    small={**_SMALL, "image_size": 56, "patch_size": 14},
)

KINDS: dict[str, EncoderKind] = {
    "dinov2": _DINOV2,
    "dinov2_registers": replace(
        _DINOV2, config="Dinov2WithRegistersConfig", model="Dinov2WithRegistersModel"
    ),
    "videomaev2": EncoderKind(
        "VideoMAEConfig",
        "VideoMAEModel",
        patch=16,
        tubelet=2,
        size=224,
        frames=16,
        small={**_TUBE_SMALL, "intermediate_size": 64, "image_size": 64},
        note="transformers has VideoMAE's class; VideoMAEv2-B has the same architecture and cost",
    ),
    "depth_anything3": replace(
        _DINOV2,
        note="transformers has no class of Depth-Anything-3; its frame encoder is a DINOv2 ViT-B",
    ),
    "vjepa2": EncoderKind(
        "VJEPA2Config",
        "VJEPA2Model",
        patch=16,
        tubelet=2,
        size=224,
        full={"crop_size": 224},
        small={**_TUBE_SMALL, "crop_size": 64, "mlp_ratio": 2.0},
    ),
}


class FrozenEncoder(nn.Module):
    """An encoder that never learns; its features lie on the Video DiT's latent grid.

    Args:
        name: key of KINDS.
        folder: weights; None = random, from `seed`.
        small: the small configuration, for tests and the tiny model.
        seed: of the random weights.

    Raises:
        ConfigError: unknown name, or `transformers` is not installed.
        WeightsError: a folder that `transformers` cannot read.
    """

    def __init__(
        self, name: str, folder: str | Path | None = None, small: bool = False, seed: int = 0
    ) -> None:
        super().__init__()
        if name not in KINDS:
            raise ConfigError(f"encoder={name} does not exist", "use " + " | ".join(KINDS))
        self.kind = KINDS[name]
        self.network = _network(name, self.kind, folder, small, seed)
        config = self.network.config
        self.width = int(config.hidden_size)
        self.size = self.kind.size
        if small and folder is None:
            self.size = int(getattr(config, "crop_size", None) or config.image_size)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> FrozenEncoder:
        """Stays in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def on_grid(self, frames: Tensor, grid: Grid, ratio: int) -> Tensor:
        """Features [B, N, E] of uint8 frames [B, T, 3, H, W], T = 1 + (grid.frames - 1) ratio.

        Adaptive average pooling in space; in time frame 0 gives latent 0, then each group of
        `ratio` frames its mean. Tubelets are interpolated to T frames first.
        """
        return pool_to_grid(self.maps(frames), grid, ratio)

    @torch.no_grad()
    def maps(self, frames: Tensor) -> Tensor:
        """Features [B, T, E, h, w] of frames [B, T, 3, H, W] in [0, 255], on its own grid."""
        images = self._images(frames)
        return self._tubes(images) if self.kind.tubelet > 1 else self._each(images)

    def _images(self, frames: Tensor) -> Tensor:
        """[B, T, 3, S, S], ImageNet normalisation."""
        batch = frames.size(0)
        flat = frames.flatten(0, 1).float() / 255
        flat = F.interpolate(flat, (self.size, self.size), mode="bilinear", antialias=True)
        mean, std = flat.new_tensor(IMAGENET_MEAN), flat.new_tensor(IMAGENET_STD)
        return ((flat - mean[:, None, None]) / std[:, None, None]).unflatten(0, (batch, -1))

    def _each(self, images: Tensor) -> Tensor:
        """Frame by frame: [B, T, E, h, w]."""
        tokens = self.network(pixel_values=images.flatten(0, 1)).last_hidden_state
        cells = self.size // self.kind.patch
        patches = tokens[:, -cells * cells :]  # after the class token and the registers
        shaped = patches.transpose(1, 2).unflatten(2, (cells, cells))
        return shaped.unflatten(0, images.shape[:2])

    def _tubes(self, images: Tensor) -> Tensor:
        """Several frames at once: [B, T, E, h, w]."""
        total, tube = images.size(1), self.kind.tubelet
        count = self.kind.frames or max(tube, total // tube * tube)
        chosen = torch.linspace(0, total - 1, count, device=images.device).round().long()
        clip = images[:, chosen]
        network: Callable[..., Any] = self.network
        tokens = (
            network(pixel_values_videos=clip, skip_predictor=True)
            if self.kind.model == "VJEPA2Model"
            else network(pixel_values=clip)
        ).last_hidden_state
        cells = self.size // self.kind.patch
        shaped = tokens.transpose(1, 2).unflatten(2, (count // tube, cells, cells))
        stretched = F.interpolate(shaped, (total, cells, cells), mode="trilinear")
        return stretched.transpose(1, 2)


def pool_to_grid(features: Tensor, grid: Grid, ratio: int) -> Tensor:
    """Features [B, T, E, h, w] to tokens [B, N, E] of the latent grid."""
    batch = features.size(0)
    spatial = F.adaptive_avg_pool2d(features.flatten(0, 1), (grid.height, grid.width))
    spatial = spatial.unflatten(0, (batch, -1))
    first, rest = spatial[:, :1], spatial[:, 1:]
    grouped = rest.unflatten(1, (-1, ratio)).mean(dim=2)
    return pack(torch.cat([first, grouped], dim=1).transpose(1, 2))


def _network(
    name: str, kind: EncoderKind, folder: str | Path | None, small: bool, seed: int
) -> Any:
    try:
        import transformers  # noqa: PLC0415 (an extra, which most objectives do without)
    except ImportError as error:
        message = f"encoder={name} needs the package transformers"
        raise ConfigError(message, "pip install 'reworld-agent[text]'") from error
    model = getattr(transformers, kind.model)
    if folder is not None:
        try:
            return model.from_pretrained(str(folder), local_files_only=True)
        except (OSError, ValueError, RuntimeError) as error:
            message = f"{folder}: no weights of {name} ({error})"
            raise WeightsError(message, "give a folder with config.json and weights") from error
    logger.info("encoder %s has random weights: its cost is real, its features are not", name)
    if kind.note:
        logger.info("encoder %s: %s", name, kind.note)
    config = getattr(transformers, kind.config)(**(kind.small if small else kind.full))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model(config)

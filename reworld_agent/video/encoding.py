"""Frames to normalised latents and back, for the three ways a clip can be encoded.

Shapes: B batch, T frames, F latent frames, C channels; pixels are in [-1, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor

from reworld_agent.config import ClipConfig
from reworld_agent.video.codecs import Codec


def to_pixels(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 [..., T, 3, H, W] (or floats in [0, 255]) to [-1, 1], channels before frames."""
    return (images.to(dtype) / 127.5 - 1).transpose(-4, -3)


def to_images(pixels: Tensor) -> Tensor:
    """[B, 3, T, H, W] in [-1, 1] to uint8 [B, T, 3, H, W]."""
    scaled = (pixels.float().clamp(-1, 1) + 1) * 127.5
    return scaled.round().to(torch.uint8).transpose(1, 2)


def normalise(codec: Codec, latents: Tensor) -> Tensor:
    """(z - mean) / std of each channel."""
    mean, std = _statistics(codec, latents)
    return (latents - mean) / std


def denormalise(codec: Codec, latents: Tensor) -> Tensor:
    """Inverse of `normalise`."""
    mean, std = _statistics(codec, latents)
    return latents * std + mean


def _statistics(codec: Codec, latents: Tensor) -> tuple[Tensor, Tensor]:
    shape = (1, -1, 1, 1, 1)
    return codec.latents_mean.to(latents).view(shape), codec.latents_std.to(latents).view(shape)


def _encode(codec: Codec, pixels: Tensor) -> Tensor:
    return normalise(codec, codec.encode(pixels).latent_dist.mode())


def _encode_each(codec: Codec, pixels: Tensor) -> Tensor:
    """Every frame of [B, 3, T, H, W] alone: [B, C, T, h, w]."""
    batch = pixels.size(0)
    single = pixels.transpose(1, 2).flatten(0, 1).unsqueeze(2)
    return _encode(codec, single).squeeze(2).unflatten(0, (batch, -1)).transpose(1, 2)


def encode_history(codec: Codec, clip: ClipConfig, images: Tensor) -> Tensor:
    """Latents [B, C, F_history, h, w] of the history frames, uint8 [B, T, 3, H, W]."""
    pixels = to_pixels(images, codec.dtype)
    return _encode(codec, pixels) if clip.encoding == "clip" else _encode_each(codec, pixels)


def encode_clip(codec: Codec, clip: ClipConfig, history: Tensor, future: Tensor) -> Tensor:
    """Latents [B, C, F, h, w] of history and future frames, both uint8 [B, T, 3, H, W]."""
    if clip.encoding == "clip":
        return _encode(codec, to_pixels(torch.cat([history, future], dim=1), codec.dtype))
    past = encode_history(codec, clip, history)
    if clip.encoding == "continued":
        sequence = torch.cat([history[:, -1:], future], dim=1)
        return torch.cat([past, _encode(codec, to_pixels(sequence, codec.dtype))[:, :, 1:]], dim=2)
    sequence = torch.cat([future, future[:, -1:]], dim=1)
    return torch.cat([past, _encode(codec, to_pixels(sequence, codec.dtype))], dim=2)


def decode_future(codec: Codec, clip: ClipConfig, latents: Tensor) -> Tensor:
    """The future frames, uint8 [B, T, 3, H, W], of latents [B, C, F, h, w]."""
    history = clip.history_latents(codec.temporal_ratio)
    if clip.encoding == "per_frame":
        return to_images(codec.decode(denormalise(codec, latents[:, :, history:])).sample)[:, :-1]
    start = 0 if clip.encoding == "clip" else history - 1
    frames = to_images(codec.decode(denormalise(codec, latents[:, :, start:])).sample)
    return frames[:, -clip.future_frames :]

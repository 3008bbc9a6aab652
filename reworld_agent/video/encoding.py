"""Frames to normalised latents and back, for the three ways a clip can be encoded.

Every view is encoded alone. Shapes: B batch, T frames, V views, F latent frames, C channels; pixels
are in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from reworld_agent.config import ClipConfig
from reworld_agent.video.codecs import Codec
from reworld_agent.video.views import apart, stacked

# Standard normal numbers of a shape [B, ...], on the device and in the dtype of a tensor.
Draw: TypeAlias = "Callable[[Sequence[int], Tensor], Tensor]"
# Mode and standard deviation of the codec's posterior, [B, C, F, h, w] each.
Moments: TypeAlias = "tuple[Tensor, Tensor]"


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


def _moments(codec: Codec, pixels: Tensor) -> Moments:
    found = codec.encode(pixels).latent_dist
    mode, std = found.mode(), getattr(found, "std", None)
    return mode, torch.zeros_like(mode) if std is None else std


def _moments_each(codec: Codec, pixels: Tensor) -> Moments:
    """Of every frame of [B, 3, T, H, W] alone: [B, C, T, h, w]."""
    batch = pixels.size(0)
    single = pixels.transpose(1, 2).flatten(0, 1).unsqueeze(2)
    mode, std = (one.squeeze(2).unflatten(0, (batch, -1)) for one in _moments(codec, single))
    return mode.transpose(1, 2), std.transpose(1, 2)


def _latents(codec: Codec, moments: Moments, draw: Draw | None) -> Tensor:
    """Normalised latents: the mode, or with `draw` a sample."""
    mode, std = moments
    if draw is None:
        return normalise(codec, mode)
    # contiguous, so that a draw of the same numbers does not depend on how it was encoded
    return normalise(codec, mode + std * draw(mode.shape, mode.contiguous()))


def _of_views(moments: Moments, views: int) -> Moments:
    """Moments [B V, C, F, h, w] of every view, one below the other: [B, C, F, V h, w]."""
    mode, std = moments
    return stacked(mode, views), stacked(std, views)


def _history(codec: Codec, clip: ClipConfig, images: Tensor) -> Moments:
    pixels = to_pixels(images, codec.dtype)
    return _moments(codec, pixels) if clip.encoding == "clip" else _moments_each(codec, pixels)


def encode_history(
    codec: Codec, clip: ClipConfig, images: Tensor, draw: Draw | None = None
) -> Tensor:
    """Latents [B, C, F_history, V h, w] of the history frames, uint8 [B, T, 3, V H, W].

    Args:
        codec: of the model.
        clip: says how frames are encoded.
        images: the frames.
        draw: standard normal numbers, for a sample of the codec's posterior; None = its mode.
    """
    found = _history(codec, clip, apart(images, clip.views))
    return _latents(codec, _of_views(found, clip.views), draw)


def encode_clip(
    codec: Codec, clip: ClipConfig, history: Tensor, future: Tensor, draw: Draw | None = None
) -> Tensor:
    """Latents [B, C, F, V h, w] of history and future frames, both uint8 [B, T, 3, V H, W].

    `draw` as of `encode_history`.
    """
    views = clip.views
    found = _whole(codec, clip, apart(history, views), apart(future, views))
    return _latents(codec, _of_views(found, views), draw)


def _whole(codec: Codec, clip: ClipConfig, history: Tensor, future: Tensor) -> Moments:
    """Of history and future of one view."""
    if clip.encoding == "clip":
        return _moments(codec, to_pixels(torch.cat([history, future], dim=1), codec.dtype))
    if clip.encoding == "continued":
        sequence = torch.cat([history[:, -1:], future], dim=1)
        later = _moments(codec, to_pixels(sequence, codec.dtype))
        later = later[0][:, :, 1:], later[1][:, :, 1:]
    else:
        sequence = torch.cat([future, future[:, -1:]], dim=1)
        later = _moments(codec, to_pixels(sequence, codec.dtype))
    past = _history(codec, clip, history)
    joined = [torch.cat(pair, dim=2) for pair in zip(past, later, strict=True)]
    return joined[0], joined[1]


def decode_future(codec: Codec, clip: ClipConfig, latents: Tensor) -> Tensor:
    """The future frames, uint8 [B, T, 3, V H, W], of latents [B, C, F, V h, w]."""
    return stacked(_future(codec, clip, apart(latents, clip.views)), clip.views)


def _future(codec: Codec, clip: ClipConfig, latents: Tensor) -> Tensor:
    """The same of one view."""
    history = clip.history_latents(codec.temporal_ratio)
    if clip.encoding == "per_frame":
        return to_images(codec.decode(denormalise(codec, latents[:, :, history:])).sample)[:, :-1]
    start = 0 if clip.encoding == "clip" else history - 1
    frames = to_images(codec.decode(denormalise(codec, latents[:, :, start:])).sample)
    return frames[:, -clip.future_frames :]

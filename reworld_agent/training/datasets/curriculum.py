"""Frames of a data set as a phase of the curriculum wants them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from reworld_agent.config import ClipConfig
from reworld_agent.core.errors import DataError
from reworld_agent.video.views import apart, stacked


def fit_clip(history: Tensor, future: Tensor, clip: ClipConfig) -> tuple[Tensor, Tensor]:
    """History and future frames, uint8 [B, T, 3, V H, W], in a clip's number and size.

    The last frames of the history and the first of the future are taken, resized with their
    aspect kept, and cut at the centre.

    Raises:
        DataError: there are fewer frames than the clip has.
    """
    past, ahead = clip.history_frames, clip.future_frames
    if history.size(1) < past or future.size(1) < ahead:
        raise DataError(
            f"the batch has {history.size(1)} history and {future.size(1)} future frames, this "
            f"phase of the curriculum needs {past} and {ahead}",
            "train on longer clips, or shorten the phase's clip (agent.overrides.phases)",
        )
    frames = apart(torch.cat([history[:, -past:], future[:, :ahead]], dim=1), clip.views)
    frames = stacked(_resize(frames, clip), clip.views)
    return frames[:, :past], frames[:, past:]


def _resize(frames: Tensor, clip: ClipConfig) -> Tensor:
    """uint8 [B, T, 3, H, W] to the clip's size: cover it, then crop the centre."""
    height, width = clip.height, clip.width
    if frames.shape[-2:] == (height, width):
        return frames
    scale = max(height / frames.size(-2), width / frames.size(-1))
    size = [max(height, round(frames.size(-2) * scale)), max(width, round(frames.size(-1) * scale))]
    flat = interpolate(frames.flatten(0, 1).float(), size, mode="bilinear", antialias=True)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    flat = flat[..., top : top + height, left : left + width]
    return flat.round().clamp(0, 255).to(torch.uint8).unflatten(0, frames.shape[:2])

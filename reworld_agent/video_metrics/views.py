"""From a clip's pixels to what the networks see: cut, scaled, in [-1, 1]."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reworld_agent.core.errors import DataError
from reworld_agent.video_metrics.i3d import resize

Frames = NDArray[np.uint8]
_CHUNK = 8  # frames scaled at once: full-size floats of a whole clip are hundreds of MB


def scaled(frames: Frames, size: int | None) -> Tensor:
    """uint8 [T,3,H,W] → float32 [T,3,size,size] in [-1, 1]; the frame's own size where None.

    Bilinear interpolation without antialiasing, the aspect not kept, as LVDM and VideoGPT prepare
    frames for FVD.
    """
    parts = []
    for first in range(0, len(frames), _CHUNK):
        part = torch.from_numpy(np.ascontiguousarray(frames[first : first + _CHUNK])).float()
        part = part / 127.5 - 1
        if size is not None and size not in _square(frames):
            part = resize(part, (size, size))
        parts.append(part)
    return torch.cat(parts)


def _square(frames: Frames) -> tuple[int, ...]:
    height, width = frames.shape[-2:]
    return (height,) if height == width else ()


def check_pair(real: Tensor, generated: Tensor, where: str) -> None:
    """Raise DataError where the frames [T,3,H,W] of a pair are of two sizes."""
    if real.shape != generated.shape:
        sizes = " and ".join(f"{f.shape[-1]}x{f.shape[-2]}" for f in (real, generated))
        raise DataError(
            f"{where}: frames of {sizes} cannot be compared pixel by pixel",
            "give pair_size= (pixels), or crops that make them equal",
        )

"""From a clip's pixels to what the networks see: cut, scaled, in [-1, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.video_metrics.i3d import resize

Frames = NDArray[np.uint8]
_CHUNK = 8  # frames scaled at once: full-size floats of a whole clip are hundreds of MB


@dataclass(frozen=True)
class Crop:
    """What of each frame is looked at.

    Attributes:
        box: width, height, left, top in pixels, as ffmpeg's crop filter writes them; None for all.
        centre: the largest square in the middle (of the box).
    """

    box: tuple[int, int, int, int] | None = None
    centre: bool = False

    @classmethod
    def parse(cls, text: str) -> Crop:
        """`none`, `center` or `W:H:X:Y`; raises ConfigError."""
        if text in ("none", "center"):
            return cls(centre=text == "center")
        parts = text.split(":")
        if len(parts) != 4 or not all(part.isdigit() for part in parts):
            raise ConfigError(f"crop={text} is no crop", "say crop=W:H:X:Y in pixels, or center")
        width, height, left, top = map(int, parts)
        if not width or not height:
            raise ConfigError(f"crop={text} is empty", "say crop=W:H:X:Y in pixels, or center")
        return cls((width, height, left, top))

    def __str__(self) -> str:
        if self.box is None:
            return "center" if self.centre else "none"
        return ":".join(map(str, self.box))

    def of(self, frames: Frames, where: str) -> Frames:
        """The part of frames [T,3,H,W]; raises ConfigError where it reaches beyond them."""
        height, width = frames.shape[-2:]
        if self.box is not None:
            w, h, x, y = self.box
            if x + w > width or y + h > height:
                raise ConfigError(
                    f"crop={self}: reaches beyond the frames of {where} ({width}x{height})",
                    "say crop=W:H:X:Y with X + W and Y + H inside the frame",
                )
            return frames[..., y : y + h, x : x + w]
        if self.centre:
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            return frames[..., top : top + side, left : left + side]
        return frames


def scaled(frames: Frames, size: int | None) -> Tensor:
    """uint8 [T,3,H,W] → float32 [T,3,size,size] in [-1, 1]; the frame's own size where None.

    Bilinear interpolation without antialiasing, the aspect not kept, as LVDM and VideoGPT prepare
    frames for FVD.
    """
    parts = []
    for first in range(0, len(frames), _CHUNK):
        part = torch.from_numpy(np.ascontiguousarray(frames[first : first + _CHUNK])).float()
        part = part / 127.5 - 1
        parts.append(part if size in (None, *_square(frames)) else resize(part, (size, size)))  # type: ignore[arg-type]
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

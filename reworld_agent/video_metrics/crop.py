"""What part of each frame is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reworld_agent.core.errors import ConfigError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HINT = "use crop=W:H:X:Y in pixels, or center"


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
        """`none`, `center` or `W:H:X:Y`; raises UsageError."""
        if text in ("none", "center"):
            return cls(centre=text == "center")
        parts = text.split(":")
        if len(parts) != 4 or not all(part.isdigit() for part in parts):
            raise UsageError(f"crop={text} must be W:H:X:Y, center or none", _HINT)
        width, height, left, top = map(int, parts)
        if not width or not height:
            raise UsageError(f"crop={text} is empty", _HINT)
        return cls((width, height, left, top))

    def __str__(self) -> str:
        """As it is written."""
        if self.box is None:
            return "center" if self.centre else "none"
        return ":".join(map(str, self.box))

    def of(self, frames: NDArray[np.uint8], where: str) -> NDArray[np.uint8]:
        """The part of frames [T,3,H,W]; raises ConfigError where it reaches beyond them."""
        height, width = frames.shape[-2:]
        if self.box is not None:
            w, h, x, y = self.box
            if x + w > width or y + h > height:
                raise ConfigError(
                    f"crop={self}: reaches beyond the frames of {where} ({width}x{height})",
                    "use crop=W:H:X:Y with X + W and Y + H inside the frame",
                )
            return frames[..., y : y + h, x : x + w]
        if self.centre:
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            return frames[..., top : top + side, left : left + side]
        return frames

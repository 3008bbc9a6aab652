"""Writing frames as mp4, whole or not at all."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import DataError

# Equal frames are equal bytes. x264 codes otherwise with other numbers of threads, and its
# macroblock tree reads memory that nothing has set (112 x 64 pixels: 14 files of 15 runs).
REPEATABLE = {"threads": "1", "mbtree": "0"}
_VIEW = {"crf": "18", "preset": "medium", **REPEATABLE}
_LOSSLESS = {"qp": "0", "preset": "veryfast", **REPEATABLE}


def write_video(path: Path, frames: NDArray[np.uint8], fps: float, lossless: bool = False) -> None:
    """Write uint8 [T, 3, H, W] as H.264; equal frames give equal bytes.

    Args:
        path: ends in .mp4.
        frames: RGB, of any size.
        fps: frames a second.
        lossless: keep every bit, for metrics (RGB, which few players show); else yuv420p, or
            yuv444p where a side is odd.

    Raises:
        DataError: no frames, or the file cannot be written; an old file stays as it was.
    """
    if frames.ndim != 4 or frames.shape[1] != 3 or not len(frames):
        raise DataError(f"{path}: {frames.shape} are not frames [T, 3, H, W]", "nothing to write")
    codec = "libx264rgb" if lossless else "libx264"
    odd = frames.shape[2] % 2 or frames.shape[3] % 2
    pixels = "rgb24" if lossless else ("yuv444p" if odd else "yuv420p")

    def encode(partial: Path) -> None:
        """Write all frames to a file that nobody reads yet."""
        with av.open(str(partial), "w", format="mp4") as container:
            stream: Any = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
            stream.height, stream.width = frames.shape[2:]
            stream.pix_fmt = pixels
            stream.options = _LOSSLESS if lossless else _VIEW
            for image in frames.transpose(0, 2, 3, 1):
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode())

    write_atomically(path, encode)

"""Small videos and image folders for the tests, each frame of a colour that tells its number."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image


def level(index: int) -> int:
    """Grey level of frame `index`: 20, 30, 40, ..."""
    return 20 + 10 * index


def frame(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A flat grey frame uint8 [H, W, 3] with a red left half, its level telling the index."""
    image = np.full((height, width, 3), level(index), dtype=np.uint8)
    image[:, : width // 2, 0] = 250
    return image


def write_video(
    path: Path,
    frames: list[np.ndarray],
    fps: int = 8,
    pix_fmt: str = "yuv444p",
    codec: str = "libx264",
    stamps: list[int] | None = None,
    rotation: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """An mp4 of RGB frames; `stamps` are in ms where given."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.options = {"crf": "5", **(options or {})}
        if stamps is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for number, image in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            picture.pts = number if stamps is None else stamps[number]
            picture.time_base = Fraction(1, fps) if stamps is None else Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def write_images(folder: Path, frames: list[np.ndarray], suffix: str = "jpg") -> Path:
    """One file a frame: 0.jpg, 1.jpg, ..., 10.jpg."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(frames):
        Image.fromarray(image).save(folder / f"{number}.{suffix}", quality=95)
    return folder


def levels(clip: np.ndarray) -> list[int]:
    """The index that each frame of uint8 [T, 3, H, W] tells, by its green channel."""
    return [round((float(image[1].mean()) - 20) / 10) for image in clip]

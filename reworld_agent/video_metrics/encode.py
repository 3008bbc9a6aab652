"""Features of every clip of a set, computed once and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from reworld_agent.video_metrics.clip_sets import Clip
from reworld_agent.video_metrics.records import Records
from reworld_agent.video_metrics.settings import Side
from reworld_agent.video_metrics.views import scaled

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Encoder:
    """A network over clips.

    Attributes:
        name: told apart by, with the network's version.
        run: [B,T,3,S,S] in [-1, 1] → [B,D] of clips or [B,T,D] of frames.
    """

    name: str
    run: Callable[[Tensor], Tensor]


def view(clip: Clip, side: Side, frames: int, size: int | None) -> Tensor:
    """A clip as the networks see it: [T,3,size,size] in [-1, 1]."""
    return scaled(side.crop.of(clip.read(side.start, frames), clip.where), size)


def view_key(clip: Clip, side: Side, frames: int, size: int | None) -> dict[str, Any]:
    """What `view` depends on."""
    return {
        "clip": clip.identity(),
        "start": side.start,
        "frames": frames,
        "crop": str(side.crop),
        "size": size,
    }


def encode(
    clips: Sequence[Clip],
    side: Side,
    frames: int,
    size: int,
    encoders: Sequence[Encoder],
    records: Records,
    batch: int = 1,
    label: str = "",
) -> Iterator[dict[str, Array]]:
    """Features of each clip in turn, by the encoder's name; memory holds one batch of clips.

    Raises:
        DataError: a clip cannot be read (names it); features cannot be kept.
    """
    with tqdm(total=len(clips), desc=f"{label} clips", unit="clip") as bar:
        for first in range(0, len(clips), batch):
            group = clips[first : first + batch]
            keys = [view_key(clip, side, frames, size) for clip in group]
            found: list[dict[str, Array]] = [{} for _ in group]
            for encoder in encoders:
                for features, key in zip(found, keys, strict=True):
                    kept = records.get({**key, "encoder": encoder.name})
                    if kept is not None:
                        features[encoder.name] = kept["features"]
            todo = [n for n, features in enumerate(found) if len(features) < len(encoders)]
            if todo:
                views = torch.stack([view(group[n], side, frames, size) for n in todo])
                for encoder in encoders:
                    for n, values in zip(todo, _run(encoder, views), strict=True):
                        found[n][encoder.name] = values
                        records.put({**keys[n], "encoder": encoder.name}, {"features": values})
            yield from found
            bar.update(len(group))


def _run(encoder: Encoder, views: Tensor) -> Array:
    with torch.inference_mode():
        features: Array = encoder.run(views).float().cpu().numpy()
    return features

"""Pooled states and labels of the scenes of a split, or of UCF-101; each is computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from reworld_agent.clips.decode import read_frames
from reworld_agent.clips.walk import files_below
from reworld_agent.core.errors import DataError
from reworld_agent.core.text import shown
from reworld_agent.features import build_features, sensor_wishes
from reworld_agent.model import ReWorldModel
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.sensors import SensorConfig, cameras_of
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.video_metrics.probe.attributes import ATTRIBUTES, scene_attributes
from reworld_agent.video_metrics.probe.states import States, clip_states, planning_states
from reworld_agent.video_metrics.records import Arrays, Records

Array = NDArray[np.float64]
STRIDE = 3  # frames (1.5 s) from scene to scene: nearer ones say nothing new


@dataclass(frozen=True)
class Samples:
    """N labelled samples.

    Attributes:
        states: [N, D_l] of each block; block 0 is the codec's latents.
        labels: [N] by attribute; NaN where it does not apply.
        groups: [N] names that are never torn apart: logs, or UCF-101's groups of one person.
    """

    states: list[Array]
    labels: dict[str, Array]
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.groups)


def scene_samples(
    model: ReWorldModel,
    split: str,
    limit: int | None,
    records: Records,
    weights: str,
    batch: int = 16,
) -> Samples:
    """Planning states and attributes of a split's scenes, a window every STRIDE frames.

    Args:
        split: an embedded split or one below OPENSCENE_DATA_ROOT.
        limit: scenes at most; None for all.
        weights: tells models apart in the records.

    Raises:
        DataError: the split has no scenes, or one that cannot be read.
    """
    window = SceneFilter(frame_interval=STRIDE, max_scenes=limit)
    sensors = SensorConfig(**sensor_wishes(model.config))
    loader = resolve_split(split, cameras_of([sensors])).loader(window, sensors)

    def inputs(token: str) -> tuple[dict[str, Tensor], dict[str, float], str]:
        scene = loader.get_scene_from_token(token)
        features = build_features(scene.get_agent_input(), model.config)
        return features, scene_attributes(scene), scene.scene_metadata.log_name

    def run(features: list[dict[str, Tensor]]) -> list[States]:
        joined = {name: torch.stack([f[name] for f in features]) for name in features[0]}
        return planning_states(model, joined)

    keys = {token: {"probe": split, "token": token, "weights": weights} for token in loader.tokens}
    return _collect(keys, inputs, run, records, batch, split)


def ucf_samples(
    model: ReWorldModel, folder: Path, subset: str, records: Records, weights: str, batch: int = 4
) -> Samples:
    """States of UCF-101's first split: frames spread evenly over each video, at the clip's size.

    Args:
        folder: holds trainlist01.txt, testlist01.txt and a folder of videos for each class,
            at any depth.
        subset: train or test.

    Raises:
        DataError: a list or video is missing, or a video cannot be read.
    """
    files = files_below(folder, (f"{subset}list01.txt",))
    if not files:
        raise DataError(f"{shown(folder)}: holds no {subset}list01.txt", "name UCF-101's folder")
    names = [line.split()[0] for line in files[0].read_text().splitlines() if line.strip()]
    videos = {f"{path.parent.name}/{path.name}": path for path in files_below(folder, (".avi",))}
    missing = [name for name in names if name not in videos]
    if missing:
        message = f"{shown(folder)}: {len(missing)} listed videos are missing, as {missing[0]}"
        raise DataError(message, "unpack UCF101.rar there")
    classes = sorted({name.split("/")[0] for name in videos})
    clip = model.config.world_clip
    count = clip.history_frames + clip.future_frames

    def inputs(name: str) -> tuple[Tensor, dict[str, float], str]:
        """Frames uint8 [T, 3, H, W], the class, and the group that is never split."""
        frames = read_frames(videos[name], size=(clip.height, clip.width))
        chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
        group = name.rsplit("_c", 1)[0]  # v_Class_g01_c02.avi: clips of one group share a scene
        return (
            torch.from_numpy(frames[chosen]),
            {"action": classes.index(name.split("/")[0])},
            group,
        )

    def run(images: list[Tensor]) -> list[States]:
        return clip_states(model, torch.stack(images))

    keys = {
        n: {"probe": "ucf", "clip": str(videos[n].resolve()), "weights": weights} for n in names
    }
    return _collect(keys, inputs, run, records, batch, f"UCF-101 {subset}")


def _collect(
    keys: dict[str, dict[str, Any]],
    inputs: Callable[[str], tuple[Any, dict[str, float], str]],
    run: Callable[[list[Any]], list[States]],
    records: Records,
    batch: int,
    label: str,
) -> Samples:
    """Every sample's states, labels and group, from the records where they are there."""
    if not keys:
        raise DataError(f"{label}: no samples", "name another split, or a larger limit")
    found: list[Arrays] = []
    names = list(keys)
    for first in tqdm(range(0, len(names), batch), desc=label, unit="batch"):
        group = names[first : first + batch]
        kept = {name: records.get(keys[name]) for name in group}
        todo = [name for name in group if kept[name] is None]
        for name, arrays in zip(todo, _compute(todo, inputs, run), strict=True):
            records.put(keys[name], arrays)
            kept[name] = arrays
        found += [arrays for arrays in kept.values() if arrays is not None]
    blocks = sum(name.startswith("block_") for name in found[0])
    labels = [name for name in found[0] if name in (*ATTRIBUTES, "action")]
    return Samples(
        [np.stack([f[f"block_{k}"] for f in found]).astype(np.float64) for k in range(blocks)],
        {name: np.array([float(f[name]) for f in found]) for name in labels},
        np.array([str(f["group"]) for f in found]),
    )


def _compute(
    names: Sequence[str],
    inputs: Callable[[str], tuple[Any, dict[str, float], str]],
    run: Callable[[list[Any]], list[States]],
) -> Iterator[Arrays]:
    if not names:
        return
    loaded = [inputs(name) for name in names]
    for states, (_, labels, group) in zip(run([x for x, _, _ in loaded]), loaded, strict=True):
        blocks = {f"block_{k}": state for k, state in enumerate(states)}
        yield {**blocks, **{k: np.array(v) for k, v in labels.items()}, "group": np.array(group)}

"""How many clips a second one core decodes, encodes, writes into shards and reads from them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

import cv2
import numpy as np
import pyarrow as pa
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from reworld_agent.benchmarks.data.index import made_up_rows
from reworld_agent.benchmarks.model.measure import randomised
from reworld_agent.clips.dataset import ClipDataset
from reworld_agent.clips.index import ClipIndex
from reworld_agent.clips.table.pack import packed
from reworld_agent.clips.table.store import in_memory
from reworld_agent.config import ClipConfig, ModelConfig
from reworld_agent.training.datasets.latent_shards import (
    Catalogue,
    clip_key,
    read_clip,
    shard_path,
    write_shard,
)
from reworld_agent.video.codecs import Codec, build_codec
from reworld_agent.video.encoding import encode_clip

CAMERA = (1080, 1920)  # nuPlan's and OpenScene's pictures
_SHARDS, _IN_ONE = 4, 64


@dataclass(frozen=True)
class Speeds:
    """What was measured: which part, of what, how much, in which unit."""

    CLIPS: ClassVar[str] = "clips/s a core"

    part: str
    what: str
    value: float
    unit: str


def _seconds(work: Callable[[int], object], times: int) -> float:
    """CPU seconds of this process for one of them, after one that is not timed."""
    start = 0.0
    for number in tqdm(range(times + 1), "timing", delay=5):
        work(number)
        start = time.process_time() if number == 0 else start
    return (time.process_time() - start) / times


def write_picture(path: Path) -> None:
    """A picture of a camera's size, with noise that a JPEG of 0.5 bytes a pixel keeps."""
    rng = np.random.default_rng(0)
    height, width = CAMERA
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    image += rng.normal(0, 6, (height, width, 1)).astype(np.int16)
    cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])


def picture_speed(folder: Path, clip: ClipConfig, repeats: int) -> list[Speeds]:
    """JPEG to pixels, by the data set that a training reads."""
    frames = clip.history_frames + clip.future_frames
    rows = pa.concat_tables(made_up_rows(repeats + 1, frames))
    index = ClipIndex(in_memory(packed([rows])), folder, {})
    picture = folder / "camera.jpg"
    write_picture(picture)
    for name in {name for number in range(len(index)) for name in index.row(number)["files"]}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).hardlink_to(picture)
    clips = ClipDataset(index, frames, (clip.height, clip.width), check=False)
    each = _seconds(lambda number: clips[number], repeats)
    what = f"JPEG to pixels, {frames} frames of {clip.height} x {clip.width}"
    return [
        Speeds("pictures", what, 1 / each, Speeds.CLIPS),
        Speeds("pictures", "a frame", 1e3 * each / frames, "ms"),
    ]


def latent_speed(config: ModelConfig, clip: ClipConfig, repeats: int) -> list[Speeds]:
    """Pixels to latents."""
    with torch.device("meta"):
        built = cast(nn.Module, build_codec(config.codec))
    codec = cast(Codec, randomised(built, "cpu", torch.float32))
    past, ahead = (
        torch.randint(0, 256, (1, count, 3, clip.height, clip.width), dtype=torch.uint8)
        for count in (clip.history_frames, clip.future_frames)
    )
    with torch.no_grad():
        each = _seconds(lambda _: encode_clip(codec, clip, past, ahead), repeats)
    what = f"pixels to latents, float32, codec of {config.name}"
    return [Speeds("latents", what, 1 / each, Speeds.CLIPS)]


def shard_speeds(folder: Path, config: ModelConfig, clip: ClipConfig) -> list[Speeds]:
    """Latents to disk and back, in any order, their checksums compared; beside one file a clip."""
    codec = config.codec
    past, ahead = (
        clip.history_latents(codec.temporal_ratio),
        clip.future_latents(codec.temporal_ratio),
    )
    cells = clip.height // codec.spatial_ratio, clip.width // codec.spatial_ratio
    shape = (codec.latent_channels, past + ahead, *cells)
    latents = torch.randn(_IN_ONE, *shape).to(torch.bfloat16)
    names = [[f"clip {shard} {k}" for k in range(_IN_ONE)] for shard in range(_SHARDS)]
    sums = ["sizes:0"] * _IN_ONE

    def write(number: int) -> None:
        of_shard = names[number % _SHARDS]
        write_shard(shard_path(folder, of_shard), latents, of_shard, sums)

    written = _seconds(write, _SHARDS - 1) / _IN_ONE
    every = [name for of_shard in names for name in of_shard]
    keys = np.array([clip_key(name) for name in every], dtype=np.uint64)
    catalogue = Catalogue.open(folder / "shards")
    places = catalogue.find(keys).tolist()
    order = np.random.default_rng(0).permutation(len(every)).tolist()

    def read(number: int) -> Tensor:
        place = order[number % len(order)]
        shard, offset = places[place]
        return read_clip(catalogue.path(shard), offset, every[place], "sizes:0", "")

    one_by_one = _seconds(read, len(every) - 1)
    size = sum(file.stat().st_size for file in (folder / "shards").glob("*.safetensors"))
    files = folder / "files"
    files.mkdir()

    def write_file(number: int) -> None:
        save_file({"latents": latents[number % _IN_ONE].clone()}, files / f"{number}.safetensors")

    def read_file(number: int) -> Tensor:
        with safe_open(files / f"{order[number % len(order)]}.safetensors", "pt") as file:
            found: Tensor = file.get_tensor("latents")
        return found

    file_written = _seconds(write_file, len(every) - 1)
    file_read = _seconds(read_file, len(every) - 1)
    file_size = sum(file.stat().st_size for file in files.iterdir())
    return [
        Speeds("shards", "latents to shards, with checksums", 1 / written, Speeds.CLIPS),
        Speeds("shards", "shards to latents, in any order", 1 / one_by_one, Speeds.CLIPS),
        Speeds("shards", "a clip in shards", size / len(every), "bytes"),
        Speeds(
            "shards", "one file a clip, without checksums: written", 1 / file_written, "clips/s"
        ),
        Speeds("shards", "one file a clip, without checksums: read", 1 / file_read, "clips/s"),
        Speeds("shards", "one file a clip", file_size / len(every), "bytes"),
    ]

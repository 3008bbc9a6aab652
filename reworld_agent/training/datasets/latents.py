"""Latents of clips, computed once and kept: one safetensors file a clip.

The folder can be filled by several processes, stopped and gone on with. A clip is claimed by a
lock on its own byte of one file, which the system lets go of when a process ends, however it ends;
files appear whole or not at all and carry a checksum.

Shapes: F latent frames, C channels, h, w cells.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from reworld_agent.clips.dataset import ClipDataset
from reworld_agent.clips.index import ClipIndex
from reworld_agent.config import ClipConfig
from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import DataError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.core.result_tables import keep_settings
from reworld_agent.model import ReWorldModel
from reworld_agent.planner.sampler import scene_noise
from reworld_agent.training.datasets.clip_samples import check_rate
from reworld_agent.video.encoding import Draw, encode_clip

MANIFEST, LOCK = "latents.json", "latents.lock"
_KEY = "latents"
_HEADER = 400  # bytes that a file needs beside its tensor, about


@dataclass(frozen=True)
class Forecast:
    """What a cache will take: clips, bytes of each, bytes free on its disk."""

    clips: int
    bytes_each: int
    free: int

    @property
    def total(self) -> int:
        """Bytes of all clips."""
        return self.clips * self.bytes_each

    def __str__(self) -> str:
        return (
            f"{self.clips} clips x {self.bytes_each / 1e6:.3g} MB = {self.total / 1e9:.3g} GB "
            f"({self.free / 1e9:.3g} GB free)"
        )


class LatentCache:
    """The latents of an index under one model's codec, in one folder.

    Args:
        folder: made where it is not there.
        model: its codec encodes, and its configuration gives the type of the latents.
        clip: frames and size of what is encoded.
        index: the clips.
        command: what fills this folder, for errors; None = its general form.
        check: see first that the clips' own files are there.

    Raises:
        ConfigError: the clips are of another rate; the folder holds latents of another codec, size
            or number of frames.
        DataError: the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        model: ReWorldModel,
        clip: ClipConfig,
        index: ClipIndex,
        command: str | None = None,
        check: bool = True,
    ) -> None:
        self.folder, self.model, self.clip, self.index = folder, model, clip, index
        check_rate(index, clip)
        frames = clip.history_frames + clip.future_frames
        self.command = command or f"reworld video latents index=... output_dir={folder}"
        self.dataset = ClipDataset(index, frames, (clip.height, clip.width), check)
        self._names = [str(name) for name in index.rows["clip_id"]]
        self._sums = [str(text) for text in index.rows["checksum"]]
        self._keep_manifest()

    def __len__(self) -> int:
        return len(self._names)

    def forecast(self) -> Forecast:
        """Bytes that the whole cache takes; nothing is encoded for it."""
        codec, clip = self.model.config.codec, self.clip
        frames = clip.history_latents(codec.temporal_ratio)
        frames += clip.future_latents(codec.temporal_ratio)
        cells = (clip.height // codec.spatial_ratio) * (clip.width // codec.spatial_ratio)
        values = codec.latent_channels * frames * cells
        size = values * torch.finfo(self.model.codec.dtype).bits // 8
        return Forecast(len(self), size + _HEADER, shutil.disk_usage(self.folder).free)

    def path(self, number: int) -> Path:
        """The file of a clip; folders of 256 keep each small."""
        digest = hashlib.sha256(self._names[number].encode()).hexdigest()
        return self.folder / digest[:2] / f"{digest[:24]}.safetensors"

    def read(self, number: int) -> Tensor:
        """Latents [C, F, h, w] of a clip; DataError where they are not there or damaged."""
        path = self.path(number)
        name = self._names[number]
        try:
            with safe_open(path, framework="pt") as file:
                about, latents = file.metadata() or {}, file.get_tensor(_KEY)
        except (OSError, SafetensorError) as error:
            message = f"{path}: the latents of {name} cannot be read ({error})"
            raise DataError(message, f"fill the cache: {self.command}") from error
        if about.get("sha256") != _checksum(latents) or about.get("clip") != self._sums[number]:
            raise DataError(
                f"{path}: the latents of {name} are damaged, or of other frames",
                f"damaged ones are made anew: {self.command}",
            )
        return latents

    def absent(self) -> list[str]:
        """Names of the clips that have no file; none is read for it."""
        return [name for k, name in enumerate(self._names) if not self.path(k).is_file()]

    def missing(self) -> list[int]:
        """Clips whose latents are not there, or damaged; every file is read for it."""
        return [k for k in tqdm(range(len(self)), desc="checking latents") if not self._whole(k)]

    def fill(self, progress: bool = True) -> int:
        """Encode what is missing; how many this process encoded.

        Clips that another process is encoding are left to it, and seen to at the end.

        Raises:
            DataError: the disk is full or too small, or a clip cannot be decoded; what was written
                is whole, and the next call goes on.
        """
        missing = self.missing()
        self._check_space(len(missing))
        with (self.folder / LOCK).open("a+b") as lock:
            busy, done = self._pass(lock, missing, wait=False, progress=progress)
            _, late = self._pass(lock, busy, wait=True, progress=False)
        return done + late

    def _pass(
        self, lock: IO[bytes], numbers: list[int], wait: bool, progress: bool
    ) -> tuple[list[int], int]:
        """Encode these clips; those that others hold, and how many were encoded."""
        busy, done = [], 0
        for number in tqdm(numbers, desc="encoding clips", disable=not progress):
            with _claim(lock, number, wait) as mine:
                if not mine:
                    busy.append(number)
                elif not self._whole(number):  # another process may have been faster
                    self._encode(number)
                    done += 1
        return busy, done

    def _encode(self, number: int) -> None:
        frames = self.dataset[number]["frames"][None].to(self.model.device)
        past = self.clip.history_frames
        with torch.no_grad():
            draw = self.model.posterior(_draw_of(self._names[number]))
            parts = frames[:, :past], frames[:, past:]
            latents = encode_clip(self.model.codec, self.clip, *parts, draw)
        latents = latents[0].cpu().contiguous()
        if not torch.isfinite(latents).all():
            message = f"the latents of {self._names[number]} are not finite"
            raise DataError(message, "check the codec's weights")
        about = {
            "sha256": _checksum(latents),
            "clip": self._sums[number],
            "clip_id": self._names[number],
        }
        data = save({_KEY: latents}, about)
        write_atomically(self.path(number), lambda partial: partial.write_bytes(data))

    def _whole(self, number: int) -> bool:
        if not self.path(number).is_file():
            return False
        try:
            self.read(number)
        except DataError:
            return False
        return True

    def _check_space(self, missing: int) -> None:
        found = self.forecast()
        needed = missing * found.bytes_each
        if needed > found.free:
            raise DataError(
                f"{self.folder}: the latents need {needed:,} bytes more, the disk has "
                f"{found.free:,} left",
                "free space, name another output=, or take fewer clips",
            )

    def _keep_manifest(self) -> None:
        clip = self.clip
        about: dict[str, Any] = {
            "codec_sha256": weights_hash(self.model.codec),
            "dtype": str(self.model.codec.dtype),
            "height": clip.height,
            "width": clip.width,
            "history_frames": clip.history_frames,
            "future_frames": clip.future_frames,
            "encoding": clip.encoding,
        }
        codec = self.model.config.codec
        if codec.posterior != "mode" or codec.tiled:  # earlier caches say nothing of either
            about |= {"posterior": codec.posterior, "tiled": codec.tiled}
        keep_settings(self.folder / MANIFEST, about)


@contextmanager
def _claim(lock: IO[bytes], number: int, wait: bool) -> Iterator[bool]:
    """Hold byte `number` of the lock file; False where another process holds it."""
    how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
    try:
        fcntl.lockf(lock, how, 1, number)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        fcntl.lockf(lock, fcntl.LOCK_UN, 1, number)


def _draw_of(clip: str) -> Draw:
    """The numbers with which a clip's posterior is sampled, whoever encodes it and when."""
    seed = int.from_bytes(hashlib.sha256(clip.encode()).digest()[:7], "big")
    return lambda shape, like: scene_noise(shape[1:], shape[0], seed, like)


def _checksum(latents: Tensor) -> str:
    flat = latents.contiguous().reshape(-1).view(torch.uint8)
    shape = f"{latents.dtype}|{tuple(latents.shape)}|"
    return hashlib.sha256(shape.encode() + flat.numpy().tobytes()).hexdigest()

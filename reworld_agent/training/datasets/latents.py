"""Latents of clips, computed once and kept in shards.

The folder can be filled by several processes and machines, stopped and gone on with. Some clips at
a time are claimed by a lock on a byte of one file, which the system lets go of when a process ends,
however it ends; shards appear whole or not at all, and every clip carries a checksum. Folders of
earlier versions, with one file a clip, are read, and what they lack is added in shards.

Shapes: F latent frames, C channels, h, w cells.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor
from tqdm import tqdm

from reworld_agent.clips.dataset import ClipDataset
from reworld_agent.clips.index import ClipIndex
from reworld_agent.config import ClipConfig
from reworld_agent.core.atomic import NO_LOCKS_HERE
from reworld_agent.core.errors import DataError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.core.records import read_record
from reworld_agent.core.result_tables import REMADE, keep_settings
from reworld_agent.model import ReWorldModel
from reworld_agent.planner.sampler import scene_noise
from reworld_agent.training.datasets.clip_samples import check_rate
from reworld_agent.training.datasets.latent_shards import (
    KEY,
    SHARDS,
    Catalogue,
    checksum,
    clip_key,
    read_clip,
    shard_path,
    short_shard,
    write_shard,
)
from reworld_agent.video.encoding import Draw, encode_clip

MANIFEST, LOCK = "latents.json", "latents.lock"
_EARLIER = {"posterior": "mode", "tiled": False}
_HEADER = 200  # bytes that a shard's header needs for a clip, about
_MOST, _LARGEST = 64, 32 << 20  # clips of a shard, and its bytes


@dataclass(frozen=True)
class Unit:
    """Clips that are encoded together.

    Attributes:
        place: of their lock.
        numbers: of those that are not there yet.
        wait: for another process that encodes them.
    """

    place: int
    numbers: tuple[int, ...]
    wait: bool = False


Run = Callable[[Sequence[Unit]], Iterable[tuple[Unit, int | None]]]


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
        clips_per_shard: None = 64, or what 32 MB hold.

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
        clips_per_shard: int | None = None,
    ) -> None:
        self.folder, self.model, self.clip, self.index = folder, model, clip, index
        check_rate(index, clip)
        frames = clip.history_frames + clip.future_frames
        self.command = command or f"reworld video latents index=... output_dir={folder}"
        self.dataset = ClipDataset(index, frames, (clip.height, clip.width), check)
        self._keep_manifest()
        each = self.forecast().bytes_each
        self.clips_per_shard = clips_per_shard or max(1, min(_MOST, _LARGEST // each))
        names = (index.value("clip_id", k) for k in range(len(index)))
        self._keys = np.fromiter((clip_key(name) for name in names), np.uint64, len(index))
        self._single = any(len(path.name) == 2 for path in folder.iterdir())  # earlier versions'
        self._look()

    def __len__(self) -> int:
        return len(self.index)

    def _look(self) -> None:
        """See which shards there are now."""
        self.catalogue = Catalogue.open(self.folder / SHARDS)
        self._places: NDArray[np.int32] = self.catalogue.find(self._keys)

    def forecast(self) -> Forecast:
        """Bytes that the whole cache takes; nothing is encoded for it."""
        codec, clip = self.model.config.codec, self.clip
        frames = clip.history_latents(codec.temporal_ratio)
        frames += clip.future_latents(codec.temporal_ratio)
        cells = (clip.height // codec.spatial_ratio) * (clip.width // codec.spatial_ratio)
        values = codec.latent_channels * frames * cells
        size = values * torch.finfo(self.model.codec.dtype).bits // 8
        return Forecast(len(self), size + _HEADER, shutil.disk_usage(self.folder).free)

    def _name(self, number: int) -> str:
        return str(self.index.value("clip_id", number))

    def path(self, number: int) -> Path | None:
        """The file that holds the latents of a clip; None where there is none."""
        shard = int(self._places[number, 0])
        if shard >= 0:
            return self.catalogue.path(shard)
        digest = hashlib.sha256(self._name(number).encode()).hexdigest()
        single = self.folder / digest[:2] / f"{digest[:24]}.safetensors"
        return single if self._single and single.is_file() else None

    def read(self, number: int) -> Tensor:
        """Latents [C, F, h, w] of a clip; DataError where they are not there or damaged."""
        path, name = self.path(number), self._name(number)
        clip, fix = str(self.index.value("checksum", number)), f"fill the cache: {self.command}"
        if path is None:
            message = f"{self.folder}: the latents of {name} cannot be read (there are none)"
            raise DataError(message, fix)
        shard, offset = self._places[number].tolist()
        if shard >= 0:
            return read_clip(path, offset, name, clip, fix)
        return _read_single(path, name, clip, fix)

    def absent(self) -> list[str]:
        """Names of the clips that are in no file; DataError where for want of a whole shard."""
        lost = np.flatnonzero(self._places[:, 0] < 0).tolist()
        names = [self._name(k) for k in lost if self.path(k) is None]
        if names:
            short_shard(self.catalogue, self.command)
        return names

    def missing(self) -> list[int]:
        """Clips whose latents are not there, or damaged; every file is read for it."""
        return [k for k in tqdm(range(len(self)), desc="checking latents") if not self._whole(k)]

    def fill(self, progress: bool = True, run: Run | None = None) -> int:
        """Encode what is missing; how many were encoded.

        Clips that another process is encoding are left to it, and seen to at the end.

        Args:
            progress: show it.
            run: does `encode` of units, in any order, elsewhere; None = here.

        Raises:
            DataError: the disk is full or too small, or a clip cannot be decoded; what was written
                is whole, and the next call goes on.
        """
        missing = self.missing()
        self._check_space(len(missing))
        units: dict[int, list[int]] = {}
        for number in missing:
            units.setdefault(number // self.clips_per_shard, []).append(number)
        waiting = [Unit(place, tuple(numbers)) for place, numbers in units.items()]
        done = 0
        with tqdm(total=len(missing), desc="encoding clips", disable=not progress) as bar:
            while waiting:
                busy = []
                for unit, count in (run or self._run)(waiting):
                    if count is None:
                        busy.append(Unit(unit.place, unit.numbers, wait=True))
                        continue
                    done += count
                    bar.update(len(unit.numbers))
                waiting = busy
        self._look()
        return done

    def _run(self, units: Sequence[Unit]) -> Iterator[tuple[Unit, int | None]]:
        for unit in units:
            yield unit, self.encode(unit)

    def encode(self, unit: Unit) -> int | None:
        """Encode the clips of a unit; how many, or None where another process is at it."""
        names = [self._name(number) for number in unit.numbers]
        path = shard_path(self.folder, names)
        with (
            (self.folder / LOCK).open("a+b") as lock,
            _claim(lock, unit.place, unit.wait) as mine,
        ):
            if not mine:
                return None
            clips = [str(self.index.value("checksum", number)) for number in unit.numbers]
            if path.is_file() and _is_whole(path, names, clips):
                with suppress(OSError):  # of another user
                    path.touch()  # before older shards, if a copy of the folder lost its times
                return 0  # another process was faster
            latents = torch.stack([self._encoded(number) for number in unit.numbers])
            write_shard(path, latents, names, clips)
            return len(names)

    def _encoded(self, number: int) -> Tensor:
        frames = self.dataset[number]["frames"][None].to(self.model.device)
        past, name = self.clip.history_frames, self._name(number)
        with torch.no_grad():
            draw = self.model.posterior(_draw_of(name))
            parts = frames[:, :past], frames[:, past:]
            latents = encode_clip(self.model.codec, self.clip, *parts, draw)
        latents = latents[0].cpu().contiguous()
        if not torch.isfinite(latents).all():
            message = f"the latents of {name} are not finite"
            raise DataError(message, "check the codec's weights")
        return latents

    def _whole(self, number: int) -> bool:
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
                "free space, name another output_dir=, or take fewer clips",
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
        codec, path = self.model.config.codec, self.folder / MANIFEST
        taken = {"posterior": codec.posterior, "tiled": codec.tiled}
        if taken != _EARLIER or not _of_earlier_versions(path):
            about |= taken
        keep_settings(path, about)


def _of_earlier_versions(manifest: Path) -> bool:
    """Whether a cache says nothing of how its latents were taken: then as `_EARLIER`."""
    if not manifest.is_file():
        return False
    known: dict[str, Any] = read_record(manifest, dict[str, Any], REMADE)
    return not _EARLIER.keys() & known.keys()


@contextmanager
def _claim(lock: IO[bytes], number: int, wait: bool) -> Iterator[bool]:
    """Hold byte `number` of the lock file; False where another process holds it.

    On a disk that knows no locks every process goes on: at worst a clip is encoded twice.
    """
    how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
    mine = held = True
    try:
        fcntl.lockf(lock, how, 1, number)
    except (BlockingIOError, PermissionError):
        mine = held = False
    except OSError as error:
        if error.errno not in NO_LOCKS_HERE:
            raise
        held = False
    try:
        yield mine
    finally:
        if held:
            fcntl.lockf(lock, fcntl.LOCK_UN, 1, number)


def _draw_of(clip: str) -> Draw:
    """The numbers with which a clip's posterior is sampled, whoever encodes it and when."""
    seed = int.from_bytes(hashlib.sha256(clip.encode()).digest()[:7], "big")
    return lambda shape, like: scene_noise(shape[1:], shape[0], seed, like)


def _is_whole(path: Path, names: Sequence[str], clips: Sequence[str]) -> bool:
    """Whether a shard has these clips, undamaged."""
    try:
        for offset, (name, clip) in enumerate(zip(names, clips, strict=True)):
            read_clip(path, offset, name, clip, "")
    except DataError:
        return False
    return True


def _read_single(path: Path, name: str, clip: str, fix: str) -> Tensor:
    """Latents [C, F, h, w] of a file of one clip, as earlier versions wrote them."""
    try:
        with safe_open(path, framework="pt") as file:
            about, latents = file.metadata() or {}, file.get_tensor(KEY)
    except (OSError, SafetensorError) as error:
        message = f"{path}: the latents of {name} cannot be read ({error})"
        raise DataError(message, fix) from error
    if about.get("sha256") != checksum(latents) or about.get("clip") != clip:
        message = f"{path}: the latents of {name} are damaged, or of other frames"
        raise DataError(message, f"damaged ones are made anew: {fix}")
    return latents

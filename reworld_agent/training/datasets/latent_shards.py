"""Shards of latents: some clips in one safetensors file, and a catalogue of who is where.

A shard holds `latents` [N, C, F, h, w]; its header names the clips, the checksums of their frames,
and the SHA-256 of each one's latents. So one clip is read without the others, in any order: the
order of a training is a function of its seed, which archives that are read from front to back
(webdataset's tar files) could not follow.

Shapes: N clips of a shard, F latent frames, C channels, h, w cells.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import DataError
from reworld_agent.core.records.file_hashes import file_state
from reworld_agent.core.text import shown

KEY = "latents"
SHARDS, CATALOGUE = "shards", "catalogue.npz"
_LONGEST = 1 << 26  # bytes of a header
_STAMP = 4  # numbers of a `file_state`, of which the second is the time of change


def checksum(latents: Tensor) -> str:
    """SHA-256 of the type, shape and bytes of one clip's latents [C, F, h, w]."""
    flat = latents.contiguous().reshape(-1).view(torch.uint8)
    shape = f"{latents.dtype}|{tuple(latents.shape)}|"
    return hashlib.sha256(shape.encode() + flat.numpy().tobytes()).hexdigest()


def clip_key(name: str) -> int:
    """A number of 64 bits for a clip's name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def shard_path(folder: Path, names: Sequence[str]) -> Path:
    """The shard of these clips, in this order: the same for whoever encodes them."""
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return folder / SHARDS / f"{digest[:24]}.safetensors"


def write_shard(path: Path, latents: Tensor, names: Sequence[str], clips: Sequence[str]) -> None:
    """Write a shard, whole or not at all; the same clips give the same bytes.

    Args:
        path: see `shard_path`.
        latents: [N, C, F, h, w].
        names: of the clips.
        clips: checksums of their frames.

    Raises:
        DataError: the disk is full, or the folder cannot be written.
    """
    sums = [checksum(one) for one in latents]
    about = {"names": list(names), "clips": list(clips), "sha256": sums}
    data = save({KEY: latents}, {key: json.dumps(value) for key, value in about.items()})
    write_atomically(path, lambda partial: partial.write_bytes(_ordered(data)))


def _ordered(data: bytes) -> bytes:
    """The same file, its header's entries in order: safetensors writes them in any."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)  # as the format aligns its tensors
    return len(header).to_bytes(8, "little") + header + data[end:]


def read_clip(path: Path, offset: int, name: str, clip: str, fix: str) -> Tensor:
    """Latents [C, F, h, w] of a clip; its checksum is compared.

    Args:
        path: of the shard.
        offset: of the clip in it.
        name: of the clip.
        clip: checksum of its frames.
        fix: what to do where they are not there.

    Raises:
        DataError: the shard is cut short or damaged, or its latents are of other frames.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
            latents: Tensor = file.get_slice(KEY)[offset]
        found = [about[key][offset] for key in ("names", "clips", "sha256")]
    except (OSError, SafetensorError, ValueError, LookupError, TypeError) as error:
        message = f"{path}: the latents of {name} cannot be read ({error})"
        raise DataError(message, fix) from error
    if found != [name, clip, checksum(latents)]:
        message = f"{path}: the latents of {name} are damaged, or of other frames"
        raise DataError(message, f"damaged ones are made anew: {fix}")
    return latents


@dataclass(frozen=True)
class Catalogue:
    """Where the latents of each clip lie: 16 bytes a clip.

    Attributes:
        folder: of the shards.
        files: names of the shards.
        stamps: [files, 4] the state of each; see `file_state`.
        keys: [clips] see `clip_key`, ascending.
        places: [clips, 2] number of the shard, and offset in it.
        short: shards that are cut short or no shards at all, by name, with the reason.
    """

    folder: Path
    files: list[str]
    stamps: NDArray[np.int64]
    keys: NDArray[np.uint64]
    places: NDArray[np.int32]
    short: dict[str, str]

    @classmethod
    def open(cls, folder: Path) -> Catalogue:
        """The catalogue of the shards that lie there now; only new ones are opened for it."""
        paths = sorted(folder.glob("*.safetensors"))
        present = {path.name: file_state(path) for path in paths if path.is_file()}
        known = _Parts.of(_saved(folder))
        parts = _Parts()
        parts.short = {p.name: "it is no file: delete it" for p in paths if p.name not in present}
        changed = False
        for name, stamp in present.items():
            if known.stamps.get(name) == stamp:
                parts.add(name, stamp, known.keys[name])
                continue
            changed = True
            try:
                parts.add(name, stamp, _header_keys(folder / name))
            except (OSError, ValueError) as error:
                parts.short[name] = str(error)
        found = parts.catalogue(folder)
        if changed or known.stamps.keys() - present.keys():
            with suppress(DataError):  # a folder that is read alone
                found.save()
        return found

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Number of the shard and offset of each key: [keys, 2]; -1 where it is in none."""
        at = np.minimum(np.searchsorted(self.keys, keys), max(0, len(self.keys) - 1))
        found = np.full((len(keys), 2), -1, dtype=np.int32)
        if len(self.keys):
            there = self.keys[at] == keys
            found[there] = self.places[at[there]]
        return found

    def path(self, number: int) -> Path:
        """A shard."""
        return self.folder / self.files[number]

    def save(self) -> None:
        """Keep it beside the shards; raises DataError."""
        values: dict[str, Any] = {"keys": self.keys, "places": self.places, "stamps": self.stamps}
        values["files"] = np.array(self.files, dtype=np.str_)

        def write(partial: Path) -> None:
            with partial.open("wb") as stream:
                np.savez(stream, **values)

        write_atomically(self.folder / CATALOGUE, write)


class _Parts:
    """A catalogue by shards."""

    def __init__(self) -> None:
        self.stamps: dict[str, tuple[int, ...]] = {}
        self.keys: dict[str, NDArray[np.uint64]] = {}
        self.short: dict[str, str] = {}

    @classmethod
    def of(cls, saved: dict[str, NDArray[Any]] | None) -> _Parts:
        """Those of a saved catalogue, see `_saved`; None has none."""
        parts = cls()
        if saved is None:
            return parts
        order = np.lexsort((saved["places"][:, 1], saved["places"][:, 0]))
        shards, keys = saved["places"][order, 0], saved["keys"][order]
        edges = np.searchsorted(shards, np.arange(len(saved["files"]) + 1))
        for number, name in enumerate(saved["files"].tolist()):
            stamp = tuple(saved["stamps"][number].tolist())
            held = keys[edges[number] : edges[number + 1]]
            parts.add(name, stamp, held)
        return parts

    def add(self, name: str, stamp: tuple[int, ...], keys: NDArray[np.uint64]) -> None:
        """A shard: its `file_state`, and the keys [clips] of its clips in their order."""
        self.stamps[name], self.keys[name] = stamp, keys

    def catalogue(self, folder: Path) -> Catalogue:
        """One table of all clips in the shards of a folder, by key."""
        # newest first: of a clip that is in several shards, `find` takes what was made anew
        files = sorted(self.stamps, key=lambda name: (-self.stamps[name][1], name))
        stamps = np.array([self.stamps[name] for name in files], dtype=np.int64)
        keys = [self.keys[name] for name in files]
        places = [np.stack([np.full(len(k), n), np.arange(len(k))], 1) for n, k in enumerate(keys)]
        everything = np.concatenate([np.zeros(0, np.uint64), *keys])
        where = np.concatenate([np.zeros((0, 2), np.int64), *places]).astype(np.int32)
        order = np.argsort(everything, kind="stable")
        return Catalogue(
            *(folder, files, stamps.reshape(-1, _STAMP)),
            *(everything[order], where[order], self.short),
        )


def _saved(folder: Path) -> dict[str, NDArray[Any]] | None:
    """What an earlier catalogue says; None where there is none, or it is damaged."""
    names = ("keys", "places", "stamps", "files")
    try:
        with np.load(folder / CATALOGUE, allow_pickle=False) as file:
            found = {name: file[name] for name in names}
        right = found["places"].shape == (len(found["keys"]), 2)
        right &= found["stamps"].shape == (len(found["files"]), _STAMP)
    except Exception:  # damaged bytes make numpy raise nearly anything
        return None
    return found if right else None


def _header_keys(path: Path) -> NDArray[np.uint64]:
    """Keys of the clips of a shard, in order; ValueError where it is cut short, or no shard."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(size, _LONGEST):
            raise ValueError(f"it has {size} bytes, its header alone {length + 8}")
        header = json.loads(stream.read(length))
    try:
        whole = 8 + length + int(header[KEY]["data_offsets"][1])
        names = json.loads(header["__metadata__"]["names"])
        keys = np.array([clip_key(name) for name in names], dtype=np.uint64)
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError("it is no shard of latents") from error
    if size != whole:
        raise ValueError(f"it has {size} bytes of {whole}")
    return keys


def short_shard(catalogue: Catalogue, fix: str) -> None:
    """Raise DataError where a shard is cut short; it is named."""
    for name, reason in catalogue.short.items():
        message = f"{shown(catalogue.folder / name)}: the shard is cut short or damaged ({reason})"
        raise DataError(message, f"its clips are encoded again: {fix}")

"""Clips of the protocol: of the embedded town, or of any index of `reworld video index`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from reworld_agent.clips.build import build_index
from reworld_agent.clips.dataset import ClipDataset
from reworld_agent.clips.index import ClipIndex
from reworld_agent.clips.sources import Options
from reworld_agent.clips.splits import split_rule
from reworld_agent.clips.windows import ClipShape
from reworld_agent.core.errors import DataError, WeightsError
from reworld_agent.scenes.synthetic import ensure_split
from reworld_agent.training.datasets.held_out import spread
from reworld_agent.training.table2_protocol import Protocol
from reworld_agent.video.codecs import Codec, FittedCodec, build_codec
from reworld_agent.video.codecs.ltx import LTXCodec
from reworld_agent.video.encoding import to_pixels

logger = logging.getLogger(__name__)
MEMORY = 4 << 30  # bytes of decoded frames that are kept
FIT_CLIPS = 400
_TOWN_SCENES = {"town_train": 1000, "town_val": None, "town_test": None}


def town_index(split: str, protocol: Protocol) -> ClipIndex:
    """Clips of `town_train` (some drives), `town_val` or `town_test`; a second apart.

    What is missing on disk is rendered first.
    """
    roots = ensure_split(split, cameras=(), clips=True, scenes=_TOWN_SCENES[split])
    shape = ClipShape(protocol.clip.fps, protocol.frames, stride=round(protocol.clip.fps))
    root = Path(roots.data_root)
    return build_index("town", root, shape, split_rule(""), Options(part=split))[0]


def clip_bytes(protocol: Protocol) -> int:
    """Bytes of one decoded clip."""
    return protocol.frames * 3 * protocol.clip.height * protocol.clip.width


def at_most(index: ClipIndex, count: int) -> ClipIndex:
    """Up to `count` clips of an index, spread evenly over its scenes."""
    return index.take(spread(len(index), count))


def held_out_clips(index: ClipIndex, protocol: Protocol, count: int | None = None) -> Tensor:
    """Decoded validation clips [M, T, 3, H, W], spread evenly: `count`, or what 4 GiB hold."""
    most = MEMORY // clip_bytes(protocol)
    chosen = at_most(index, min(count or len(index), most))
    if len(chosen) < len(index):
        logger.warning("validation: %d of %d clips, spread evenly", len(chosen), len(index))
    return FrameClips(chosen, protocol).in_memory()


class FrameClips(Dataset[Tensor]):
    """Frames uint8 [T, 3, H, W] of every clip of an index, at the protocol's size."""

    def __init__(self, index: ClipIndex, protocol: Protocol) -> None:
        clip = protocol.clip
        self._clips = ClipDataset(index, protocol.frames, (clip.height, clip.width))
        self._bytes = len(index) * clip_bytes(protocol)

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, number: int) -> Tensor:
        return self._clips[number]["frames"]

    def in_memory(self, progress: bool = True) -> Tensor:
        """All clips [M, T, 3, H, W]; DataError where they need more than 4 GiB."""
        if self._bytes > MEMORY:
            size = f"{self._bytes / 2**30:.1f} GiB"
            raise DataError(f"{len(self)} clips take {size} in memory", "use fewer clips")
        loader = DataLoader(self, batch_size=None)
        return torch.stack(list(tqdm(loader, desc="decoding clips", disable=not progress)))

    def fits(self) -> bool:
        """Whether all frames may be kept in memory."""
        return self._bytes <= MEMORY


def drawn(clips: Any, count: int) -> Tensor:
    """Up to `count` clips [M, T, 3, H, W] of a tensor or data set of them, the same every time."""
    order = torch.randperm(len(clips), generator=torch.Generator().manual_seed(0))
    chosen = tqdm(order[:count].tolist(), desc="clips to fit to", delay=5.0, leave=False)
    return torch.stack([clips[number] for number in chosen])


def open_codec(protocol: Protocol, folder: str | Path | None = None) -> Codec:
    """The protocol's codec: of a VAE folder, or one that is still to be fitted.

    Raises:
        DataError: the LTX VAE is asked for and no folder is given.
        WeightsError: the folder holds none.
    """
    if folder is not None:
        return _read_vae(Path(folder))
    if protocol.codec.released:
        message = "protocol=table2 model=paper needs the weights of the LTX VAE"
        raise DataError(message, "give vae=FOLDER, the vae folder of LTX-Video 0.9.5")
    return build_codec(protocol.codec)


def _read_vae(folder: Path) -> LTXCodec:
    hint = "name a folder with config.json and weights, as the vae folder of LTX-Video 0.9.5"
    if not (folder / "config.json").is_file():
        raise WeightsError(f"vae={folder}: there is no config.json", hint)
    try:
        codec: LTXCodec = LTXCodec.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"vae={folder} cannot be loaded: {reason}", hint) from error
    return codec


def fitted_codec(codec: Codec, clips: Any) -> Codec:
    """A codec of `open_codec`, where it is one to be fitted, fitted to clips uint8 [T, 3, H, W]."""
    if not isinstance(codec, FittedCodec):
        return codec
    pixels = to_pixels(drawn(clips, FIT_CLIPS))
    explained = codec.fit(pixels[:, :, :1], pixels)
    logger.info("the codec keeps %.1f %% of the variance", 100 * explained)
    return codec

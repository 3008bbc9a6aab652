"""Training data as arrays on disk: 2 Hz frames, of which scenes are index windows.

A cache folder holds `frames.npy` uint8 [F, 3, V H, W], or where these would take more than 4 GB
`frames.arrow`, paths of the images, which are then decoded as they are needed; `frame_index.npy`
int32 [S, T] (history, then future where asked), `ego.npy` float32 [S, 8], `trajectory.npy` float32
[S, L, 3] (m, m, rad; ego frame) and `scenes.json` (tokens, log names, and hashes of all that and of
the images). F frames, S scenes, V cameras.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from reworld_agent.config import ModelConfig
from reworld_agent.core.atomic import only_process, whole_folder
from reworld_agent.core.errors import DataError
from reworld_agent.core.paths import cache_home
from reworld_agent.core.records import read_record, write_record
from reworld_agent.core.records.file_hashes import file_hashes, file_sha256
from reworld_agent.features import build_targets, ego_features, frame_image
from reworld_agent.frame_store import Frames, open_frames, write_frame_files
from reworld_agent.negatives.targets import negative_targets
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.logs import load_log
from reworld_agent.scenes.sensors import Cameras, camera_entries, check_image
from reworld_agent.training.datasets.future_images import check_future_images

logger = logging.getLogger(__name__)

Sample = tuple[dict[str, Tensor], dict[str, Tensor], str]  # features, targets, token or clip


_ARRAYS = ("frame_index", "ego", "trajectory")
_RECORD = "scenes.json"
_RAW, _FILES = "frames.npy", "frames.arrow"
_MOST_RAW = 4 << 30  # bytes of decoded frames that are written; navtrain's would be 1.28 TB


@dataclass(frozen=True)
class _Record:
    """The record of a folder of arrays.

    Attributes:
        tokens, logs: of each scene.
        arrays: SHA-256 of the files beside it.
        images: SHA-256 of the images that its frames were decoded from; none where they are left
            in their images.
    """

    tokens: list[str]
    logs: list[str]
    arrays: dict[str, str]
    images: dict[str, str]


@dataclass(frozen=True)
class SceneArrays:
    """The arrays of a split; `frames` is memory-mapped, or decoded as it is indexed."""

    frames: Frames
    frame_index: NDArray[np.int32]
    ego: NDArray[np.float32]
    trajectory: NDArray[np.float32]
    tokens: list[str]
    logs: list[str]

    def __len__(self) -> int:
        return len(self.tokens)

    def where(self, chosen: NDArray[np.bool_]) -> SceneArrays:
        """The scenes for which `chosen` [S] is true; all frames are kept."""
        rows = np.flatnonzero(chosen)
        return SceneArrays(
            self.frames,
            self.frame_index[chosen],
            self.ego[chosen],
            self.trajectory[chosen],
            tokens=[self.tokens[row] for row in rows],
            logs=[self.logs[row] for row in rows],
        )


class SceneDataset(Dataset[Sample]):
    """Samples (features, targets, token) as `training.losses.stage_loss` takes them.

    Args:
        arrays: see `scene_arrays`.
        history: history frames; what follows them in `frame_index` is the future.
        negatives: by token, the hard negative [L, 3]; None = the stage needs none.
    """

    def __init__(
        self,
        arrays: SceneArrays,
        history: int,
        negatives: dict[str, NDArray[np.float32]] | None = None,
    ) -> None:
        self.arrays, self.history, self.negatives = arrays, history, negatives

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, number: int) -> Sample:
        arrays = self.arrays
        images = torch.from_numpy(arrays.frames[arrays.frame_index[number]])
        features = {"images": images[: self.history], "ego": torch.from_numpy(arrays.ego[number])}
        targets = {"trajectory": torch.from_numpy(arrays.trajectory[number])}
        if len(images) > self.history:
            targets["future_images"] = images[self.history :]
        token = arrays.tokens[number]
        if self.negatives is not None:
            targets |= negative_targets(self.negatives.get(token), arrays.trajectory[number])
        return features, targets, token


def default_cache() -> Path:
    """`$REWORLD_HOME` or `~/.cache/reworld`, then `training`."""
    return cache_home() / "training"


def scene_arrays(
    loader: SceneLoader, config: ModelConfig, future_images: bool, cache: Path | None = None
) -> SceneArrays:
    """The arrays of a loader's scenes; made on the first call, then read from the cache.

    Of several processes that ask for them at once, one makes them and the others wait.

    Raises:
        DataError: no scenes; a frame without image; no space for the arrays.
    """
    if not len(loader):
        message = f"{loader.data_path} has no scene that the filter lets through"
        raise DataError(message, "loosen train_test_split.scene_filter")
    root = cache or default_cache()
    blobs = loader.sensor_blobs_path
    folder, with_future = (root / _key(loader, config, video) for video in (future_images, True))
    if _is_there(with_future) and not _is_stale(with_future, blobs):  # holds the history too
        return _read(with_future, _frame_count(config, future_images))
    if not _is_there(folder) or _is_stale(folder, blobs):
        if future_images:
            check_future_images(loader, config)
        with only_process(root / f"{folder.name}.lock", "set cache_path= to another folder"):
            if _is_there(folder) and _is_stale(folder, blobs):
                logger.warning("images of %s have changed: %s is made again", blobs, folder)
                shutil.rmtree(folder, ignore_errors=True)
            if not _is_there(folder):  # made by whom this process has waited for
                _write(folder, loader, config, future_images)
    return _read(folder)


def _is_there(folder: Path) -> bool:
    return (folder / _RECORD).is_file()


def _is_stale(folder: Path, blobs: Path) -> bool:
    """Whether images have changed since arrays were made of them."""
    known = read_record(folder / _RECORD, _Record, _fix(folder)).images
    return file_hashes(blobs, [blobs / name for name in known]) != list(known.values())


def _fix(folder: Path) -> str:
    return f"delete {folder}: it is made again"


def _read(folder: Path, frames: int | None = None) -> SceneArrays:
    """The arrays of a folder; of its scenes the first `frames` frames, None = all."""
    fix = _fix(folder)
    names = read_record(folder / _RECORD, _Record, fix)
    found = file_hashes(folder, [folder / name for name in names.arrays])
    for name, now in zip(names.arrays, found, strict=True):
        if now != names.arrays[name]:
            raise DataError(f"{folder / name} is not as it was made: its bytes have changed", fix)
    try:
        arrays = {name: np.load(folder / f"{name}.npy") for name in _ARRAYS}
        files = (folder / _FILES).is_file()
        images = open_frames(folder / (_FILES if files else _RAW), "c")
    except Exception as error:  # damaged headers make numpy raise nearly anything
        raise DataError(f"{folder}: its arrays cannot be read ({error})", fix) from error
    count = {len(names.tokens), len(names.logs), *(len(arrays[name]) for name in _ARRAYS)}
    if len(count) > 1 or arrays["frame_index"].max() >= len(images):
        raise DataError(f"{folder}: its arrays are of different scenes", fix)
    arrays["frame_index"] = arrays["frame_index"][:, :frames]
    return SceneArrays(images, **arrays, tokens=names.tokens, logs=names.logs)


def _key(loader: SceneLoader, config: ModelConfig, future_images: bool) -> str:
    """A folder name that changes with the scenes, the logs, the image size and how it is got."""
    windows = loader.scene_frames_dicts.windows
    logs = sorted({window.log for window in windows.values()})
    content = [(log.name, loader.entry(log).reading.sha256) for log in logs]
    clip = config.clip
    shape = (clip.height, clip.width, clip.history_frames, clip.future_frames, future_images)
    place = str(loader.sensor_blobs_path.absolute())
    described = [sorted(windows), content, place, shape, config.planner.horizon]
    described += [clip.resize, config.cameras]
    digest = hashlib.sha256(json.dumps(described).encode()).hexdigest()
    return f"{loader.data_path.name}_{digest[:12]}"


def _frame_count(config: ModelConfig, future_images: bool) -> int:
    return config.clip.history_frames + future_images * config.clip.future_frames


def _write(folder: Path, loader: SceneLoader, config: ModelConfig, future_images: bool) -> None:
    """Write all arrays beside the folder, then move them into place at once."""
    count = _frame_count(config, future_images)
    slots: dict[tuple[Path, int], int] = {}
    index = np.zeros((len(loader), count), dtype=np.int32)
    for row, window in enumerate(loader.scene_frames_dicts.windows.values()):
        for column in range(count):
            index[row, column] = slots.setdefault((window.log, window.start + column), len(slots))
    shape = (len(slots), 3, config.clip.views * config.clip.height, config.clip.width)
    size = int(np.prod(shape))
    raw = size <= _MOST_RAW
    message = "training arrays: %d scenes, %d frames, %s in %s"
    kept = f"{size:,} bytes" if raw else "left in their images"
    logger.info(message, len(loader), len(slots), kept, folder)
    if raw:
        check_space(folder.parent, size, "the training arrays", "set cache_path= to another disk")
    try:
        with whole_folder(folder, _RECORD) as draft:
            logs = _write_scenes(draft, loader, config)  # it checks every frame of every window
            paths = _image_paths(slots, loader, config)
            images: dict[str, str] = {}
            if raw:
                blobs = loader.sensor_blobs_path
                known = list(dict.fromkeys(paths))
                hashes = file_hashes(blobs, [blobs / name for name in known])
                images = dict(zip(known, hashes, strict=True))  # before they are decoded
                frames = np.lib.format.open_memmap(draft / _RAW, "w+", np.uint8, shape)
                _decode(frames, slots, loader, config)
                frames.flush()
            else:
                write_frame_files(draft / _FILES, paths, loader.sensor_blobs_path, config.clip)
            np.save(draft / "frame_index.npy", index)
            names = sorted(path.name for path in draft.iterdir())
            arrays = {name: file_sha256(draft / name) for name in names}
            write_record(draft / _RECORD, _Record(loader.tokens, logs, arrays, images))
    except OSError as error:
        message = f"the training arrays could not be written to {folder}: {error}"
        raise DataError(message, "free disk space, or set cache_path=") from error


def check_space(folder: Path, size: int, what: str, hint: str) -> None:
    """DataError where the disk of a folder has not `size` bytes left for `what`."""
    free = shutil.disk_usage(folder).free
    if free < size:
        message = f"{folder} has {free:,} bytes left, {what} need {size:,}"
        raise DataError(message, f"free disk space, or {hint}")


def _decode(
    frames: NDArray[np.uint8],
    slots: dict[tuple[Path, int], int],
    loader: SceneLoader,
    config: ModelConfig,
) -> None:
    """Fill the frames, each image opened once, a log at a time."""

    def decode(job: tuple[int, dict[str, Any]]) -> None:
        slot, frame = job
        where = f"frame {frame['token']}"
        cameras = Cameras.from_camera_dict(
            loader.sensor_blobs_path, frame["cams"], list(config.cameras), frame["token"]
        )
        frames[slot] = frame_image(cameras, config.clip, where, config.cameras)

    with ThreadPoolExecutor(2) as pool, tqdm(total=len(slots), desc="decoding frames") as bar:
        for jobs in _by_log(slots):
            for _ in pool.map(decode, jobs):
                bar.update()


def _by_log(slots: dict[tuple[Path, int], int]) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """Number and content of each frame, a log at a time."""
    numbers: dict[Path, list[tuple[int, int]]] = {}
    for (log, number), slot in slots.items():
        numbers.setdefault(log, []).append((slot, number))
    for log, wanted in numbers.items():
        content = load_log(log)
        yield [(slot, content[number]) for slot, number in wanted]


def _image_paths(
    slots: dict[tuple[Path, int], int], loader: SceneLoader, config: ModelConfig
) -> list[str]:
    """Paths of the images of every frame, camera by camera; DataError where one is not there."""
    found: list[list[str]] = [[]] * len(slots)
    with tqdm(total=len(slots), desc="finding images") as bar:
        for jobs in _by_log(slots):
            for slot, frame in jobs:
                entries = camera_entries(frame["cams"], frame["token"])
                found[slot] = [str(entries[name]["data_path"]) for name in config.cameras]
                for path in found[slot]:
                    check_image(loader.sensor_blobs_path / path, frame["token"])
                bar.update()
    return [path for paths in found for path in paths]


def _write_scenes(folder: Path, loader: SceneLoader, config: ModelConfig) -> list[str]:
    """Write what is known of each scene; returns the name of the log of each."""
    ego, trajectories, logs = [], [], []
    present = config.clip.history_frames - 1
    for token in tqdm(loader.tokens, desc="reading scenes"):
        scene = loader.get_scene_from_token(token)
        ego.append(ego_features(scene.frames[present].ego_status).numpy())
        trajectories.append(build_targets(scene, config, future_images=False)["trajectory"].numpy())
        logs.append(scene.scene_metadata.log_name)
    np.save(folder / "ego.npy", np.stack(ego))
    np.save(folder / "trajectory.npy", np.stack(trajectories))
    return logs

"""Before a long run: does every file that it will open exist?

One log is in memory at a time, and of the files only counts and the first names are kept: a
hundred thousand scenes cost no more memory than one log.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.scenes.camera_names import CAMERA_NAMES
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.logs import FrameDict, load_log
from reworld_agent.scenes.maps.city import city_map_path
from reworld_agent.scenes.sensors import SensorConfig

_SHOWN = 3
_SIZES = 64  # files whose size is read, for the mean
_DOWNLOAD = "download the split's {} into sensor_blobs, or leave logs out (scene_filter.log_names)"


@dataclass
class Files:
    """Files of one kind that a run will open.

    Attributes:
        total: how many.
        missing: how many of them are not there.
        first: the first of the missing ones.
        usual_bytes: size of one file where none is there to tell.
        sizes: of the first files that are there [bytes].
    """

    total: int = 0
    missing: int = 0
    first: list[str] = field(default_factory=list)
    usual_bytes: float = 0.0
    sizes: list[int] = field(default_factory=list)

    def add(self, path: Path, present: bool) -> None:
        """Count one file."""
        self.total += 1
        if not present:
            self.missing += 1
            if len(self.first) < _SHOWN:
                self.first.append(str(path))
        elif len(self.sizes) < _SIZES:
            self.sizes.append(path.stat().st_size)

    @property
    def bytes_to_fetch(self) -> float:
        """Estimated size of what is missing: mean of the files that are there, or the usual."""
        mean = sum(self.sizes) / len(self.sizes) if self.sizes else self.usual_bytes
        return self.missing * mean

    def summary(self, what: str) -> str:
        """`3 images of 10 are missing: a, b, c`."""
        more = self.missing - len(self.first)
        rest = f" and {more} more" if more > 0 else ""
        return f"{self.missing} {what} of {self.total} are missing: {', '.join(self.first)}{rest}"


@dataclass
class Preflight:
    """What a run over the loader's scenes will open, and what of it is missing.

    Attributes:
        scenes, logs: how many.
        images, point_clouds, maps: files of each kind.
        map_paths: the maps that are there.
        unknown_tokens: tokens that the filter names and the split does not hold.
        download: what to do where sensor data are missing; `{}` stands for their kind.
    """

    scenes: int = 0
    logs: int = 0
    images: Files = field(default_factory=lambda: Files(usual_bytes=3e5))
    point_clouds: Files = field(default_factory=lambda: Files(usual_bytes=2e6))
    maps: Files = field(default_factory=lambda: Files(usual_bytes=2e8))
    map_paths: list[Path] = field(default_factory=list)
    unknown_tokens: list[str] = field(default_factory=list)
    download: str = _DOWNLOAD

    def raise_if_missing(self) -> None:
        """Raise ConfigError (no scene, unknown tokens) or DataError (files), counted and named."""
        error = next(self.errors(), None)
        if error is not None:
            raise error

    def errors(self) -> Iterator[ConfigError | DataError]:
        """One error for each kind of thing that is missing."""
        if self.unknown_tokens:
            shown = ", ".join(self.unknown_tokens[:_SHOWN])
            more = len(self.unknown_tokens) - _SHOWN
            yield ConfigError(
                f"{len(self.unknown_tokens)} tokens asked for are not in the split: {shown}"
                + (f" and {more} more" if more > 0 else ""),
                "correct scene_filter.tokens, or set train_test_split.data_split to their split",
            )
        if not self.scenes:
            yield ConfigError(
                "no scene passes the filter",
                "widen scene_filter (tokens, log_names, has_route, frame_interval)",
            )
        for files, what, hint in (
            (self.maps, "city maps", "set NUPLAN_MAPS_ROOT, or download them"),
            (self.images, "images", self.download.format("sensor data")),
            (self.point_clouds, "point clouds", self.download.format("lidar data")),
        ):
            if files.missing:
                yield DataError(files.summary(what), hint)


def preflight(
    loader: SceneLoader, sensor_config: SensorConfig, whole_scene: bool = False, maps: bool = True
) -> Preflight:
    """Look for the logs, images, point clouds and city maps of all scenes of a loader.

    Args:
        loader: over the scenes of the run.
        sensor_config: the sensors that the agent asks for.
        whole_scene: future frames are opened too (an agent that is handed the scene, or a
            training stage that learns from future images).
        maps: the city maps are opened too (scoring).

    Raises:
        DataError: a log cannot be read.
    """
    report = Preflight(scenes=len(loader), unknown_tokens=loader.unknown_tokens())
    history = loader.scene_filter.num_history_frames
    count = loader.scene_filter.num_frames if whole_scene else history
    names = [sensor_config.get_sensors_at_iteration(number) for number in range(count)]
    cities: dict[str, None] = {}
    starts: dict[Path, list[int]] = {}
    for window in loader.scene_frames_dicts.windows.values():
        starts.setdefault(window.log, []).append(window.start)
    report.logs = len(starts)
    for log in tqdm(starts, desc="checking files", unit="log", delay=3.0, leave=False):
        frames = load_log(log)
        cities |= {
            str(frames[start + history - 1].get("map_location")): None for start in starts[log]
        }
        wanted: dict[int, set[str]] = {}
        for start in starts[log]:
            for number, sensors in enumerate(names):
                wanted.setdefault(start + number, set()).update(sensors)
        _count_log(report, loader.sensor_blobs_path, frames, wanted)
    if maps and loader.maps_root is not None:
        for city in cities:
            count_map(report, loader.maps_root, city)
    return report


def _count_log(
    report: Preflight, blobs: Path, frames: list[FrameDict], wanted: dict[int, set[str]]
) -> None:
    """Count the sensor files of one log; folders are listed once, not asked file by file."""
    listings: dict[str, set[str]] = {}
    for number, sensors in wanted.items():
        frame = frames[number]
        for name in _image_paths(frame, sensors):
            report.images.add(blobs / name, is_listed(listings, blobs, name))
        if "lidar_pc" in sensors:
            name = str(frame.get("lidar_path"))
            report.point_clouds.add(blobs / name, is_listed(listings, blobs, name))


def is_listed(listings: dict[str, set[str]], blobs: Path, name: str) -> bool:
    """Whether the file `name` is there below `blobs`; `listings` keeps the folders' content."""
    folder, _, file = name.rpartition("/")
    if folder not in listings:
        try:
            listings[folder] = set(os.listdir(blobs / folder))  # noqa: PTH208 - names are enough
        except OSError:
            listings[folder] = set()
    return file in listings[folder]


def _image_paths(frame: FrameDict, names: set[str]) -> Iterator[str]:
    for name, entry in frame.get("cams", {}).items():
        if name.lower() in names and name.lower() in CAMERA_NAMES:
            yield str(entry["data_path"])


def count_map(report: Preflight, maps_root: Path, city: str) -> None:
    """Count the map of a city."""
    files = report.maps
    try:
        path = city_map_path(maps_root, city)
    except DataError as error:
        files.add(Path(error.message), False)
        return
    files.add(path, path.is_file())
    report.map_paths += [path] * path.is_file()

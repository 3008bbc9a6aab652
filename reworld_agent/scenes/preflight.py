"""Before a long run: does every file that it will open exist?

One log is in memory at a time, and of the files only counts and the first names are kept: a
hundred thousand scenes cost no more memory than one log.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from reworld_agent.core.errors import ConfigError, DataError, ReWorldError
from reworld_agent.core.unpickle.collector import paused
from reworld_agent.scenes.downloads import BLOBS, command, find_download, maps_hint
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.log_index import LogEntry, are_many, over_logs
from reworld_agent.scenes.logs import (
    CAMERAS,
    FrameDict,
    LogFrames,
    Reading,
    load_log,
    read_log,
    remember,
)
from reworld_agent.scenes.maps.city import city_map_path
from reworld_agent.scenes.maps.ground import open_outline
from reworld_agent.scenes.sensors import (
    SensorConfig,
    camera_entries,
    check_camera,
    lidar_file,
)

SCORED_FRAMES = 11  # of a log, from the present one on, that a scene's traffic is made of
_SHOWN = 3
_SAMPLE = 48  # files that the doctor opens
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
        sample: some of those that are there, from all over the split.
    """

    total: int = 0
    missing: int = 0
    first: list[str] = field(default_factory=list)
    usual_bytes: float = 0.0
    sizes: list[int] = field(default_factory=list)
    sample: list[Path] = field(default_factory=list)
    _draw: random.Random = field(default_factory=lambda: random.Random(0), repr=False)

    def add(self, path: Path, present: bool) -> None:
        """Count one file."""
        self.total += 1
        if not present:
            self.missing += 1
            if len(self.first) < _SHOWN:
                self.first.append(str(path))
            return
        if len(self.sizes) < _SIZES:
            self.sizes.append(path.stat().st_size)
        if len(self.sample) < _SAMPLE:
            self.sample.append(path)
            return
        place = self._draw.randrange(self.total)  # each file is as likely as any other
        if place < _SAMPLE:
            self.sample[place] = path

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
class Faults:
    """Scenes that cannot be used, because of what their log says.

    Attributes:
        count: how many.
        first: token and error of the first of them.
    """

    count: int = 0
    first: list[tuple[str, ReWorldError]] = field(default_factory=list)

    def add(self, token: str, error: ReWorldError) -> None:
        """Note one scene."""
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append((token, error))

    def summary(self, of: int) -> str:
        """`2 scenes of 10 cannot be used: scene a: ...; scene b: ...`."""
        listed = "; ".join(f"scene {token}: {error.message}" for token, error in self.first)
        more = self.count - len(self.first)
        rest = f"; and {more} more" if more > 0 else ""
        return f"{self.count} scenes of {of} cannot be used: {listed}{rest}"

    @property
    def hint(self) -> str:
        """What to do about the first of them."""
        return self.first[0][1].hint or "" if self.first else ""


@dataclass
class Preflight:
    """What a run over the loader's scenes will open, and what of it is missing.

    Attributes:
        scenes, logs: how many.
        images, point_clouds, maps: files of each kind.
        map_paths: the maps that are there.
        faults: scenes that a run will record as failed; the others go on.
        unknown_tokens: tokens that the filter names and the split does not hold.
        download: what to do where sensor data are missing; `{}` stands for their kind.
        maps_hint: what to do where maps are missing.
        to_link: the command for sensor data that lie elsewhere; "" where none do.
    """

    scenes: int = 0
    logs: int = 0
    images: Files = field(default_factory=lambda: Files(usual_bytes=3e5))
    point_clouds: Files = field(default_factory=lambda: Files(usual_bytes=2e6))
    maps: Files = field(default_factory=lambda: Files(usual_bytes=2e8))
    faults: Faults = field(default_factory=Faults)
    map_paths: list[Path] = field(default_factory=list)
    unknown_tokens: list[str] = field(default_factory=list)
    download: str = _DOWNLOAD
    maps_hint: str = "set NUPLAN_MAPS_ROOT, or download them"
    to_link: str = ""

    def add(self, blobs: Path, cities: dict[str, None], found: _Found) -> None:
        """Count what the scenes of one log open."""
        cities.update(dict.fromkeys(found.cities))
        for token, error in found.faults:
            self.faults.add(token, error)
        for sensor, name, is_there in found.files:
            files = self.point_clouds if sensor == "lidar_pc" else self.images
            files.add(blobs / name, is_there)

    def raise_if_missing(self) -> None:
        """Raise ConfigError (no scene, unknown tokens) or DataError (files), counted and named."""
        error = next(self.errors(), None)
        if error is not None:
            raise error

    def raise_if_unusable(self) -> None:
        """Also raise DataError where a scene cannot be used: for a run that cannot go on without.

        Raises:
            ConfigError, DataError: see `raise_if_missing`.
        """
        self.raise_if_missing()
        if self.faults.count:
            raise DataError(self.faults.summary(self.scenes), self.faults.hint)

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
            (self.maps, "city maps", self.maps_hint),
            (self.images, "images", self.to_link or self.download.format("sensor data")),
            (self.point_clouds, "point clouds", self.to_link or self.download.format("lidar data")),
        ):
            if files.missing:
                yield DataError(files.summary(what), hint)


def preflight(
    loader: SceneLoader,
    sensor_config: SensorConfig,
    whole_scene: bool = False,
    maps: bool = True,
    workers: int | None = 1,
) -> Preflight:
    """Look for the logs, images, point clouds and city maps of all scenes of a loader.

    Args:
        loader: over the scenes of the run.
        sensor_config: the sensors that the agent asks for.
        whole_scene: future frames are opened too (an agent that is handed the scene, or a
            training stage that learns from future images).
        maps: the city maps are opened too (scoring).
        workers: processes that open logs, where there are many; None takes one for each core.

    Raises:
        DataError: a log cannot be read. A scene that cannot be used is none: see `faults`.
    """
    report = Preflight(scenes=len(loader), unknown_tokens=loader.unknown_tokens())
    history = loader.scene_filter.num_history_frames
    count = loader.scene_filter.num_frames if whole_scene else history
    asked = _Asked(
        [sensor_config.get_sensors_at_iteration(number) for number in range(count)],
        history,
        loader.scene_filter.num_frames,
        SCORED_FRAMES if maps else 0,
        whole_scene or maps,
        loader.one_drive,
        loader.maps_root if maps else None,
    )
    cities: dict[str, None] = {}
    starts: dict[Path, list[int]] = {}
    for window in loader.scene_frames_dicts.windows.values():
        starts.setdefault(window.log, []).append(window.start)
    report.logs = len(starts)
    blobs = loader.sensor_blobs_path
    report.to_link = _to_link(blobs)
    opened = [
        _Windows.of(loader, log, starts[log])
        for log in starts
        if not asked.is_known_to_serve(loader.entry(log), starts[log], loader)
    ]
    paths = [windows.log for windows in opened]
    found: Iterator[_Found] = (_look_at(asked, blobs, windows) for windows in opened)
    if workers != 1 and are_many(paths):
        found = over_logs(partial(_look, asked, blobs), opened, paths, workers)
    unknown = set(paths)
    for log in tqdm(starts, desc="checking files", unit="log", delay=3.0, leave=False):
        if log in unknown:
            report.add(blobs, cities, next(found))
        else:
            cities[loader.entry(log).cities[0]] = None
    if maps and loader.maps_root is not None:
        report.maps_hint = maps_hint(loader.maps_root)
        for city in cities:
            count_map(report, loader.maps_root, city)
    return report


class _Windows(NamedTuple):
    """Scenes of one log that is opened.

    Attributes:
        log: its path.
        starts: numbers of their first frames.
        refused: scenes that cannot be used whatever the log says, by their first frame.
        reading: what is known of the log.
    """

    log: Path
    starts: tuple[int, ...]
    refused: dict[int, ReWorldError]
    reading: Reading

    @classmethod
    def of(cls, loader: SceneLoader, log: Path, starts: Sequence[int]) -> _Windows:
        """Scenes of a loader."""
        entry, history = loader.entry(log), loader.scene_filter.num_history_frames
        refused: dict[int, ReWorldError] = {}
        for start in starts:
            try:
                loader.check_token(entry.tokens[start + history - 1])
            except ReWorldError as error:
                refused[start] = error
        return cls(log, tuple(starts), refused, entry.reading)


class _Found(NamedTuple):
    """What the scenes of one log open: cities, faults by token, and (sensor, file, is there)."""

    cities: list[str]
    faults: list[tuple[str, ReWorldError]]
    files: list[tuple[str, str, bool]]


class _Asked(NamedTuple):
    """What a run reads of each window: sensors by frame, and how far."""

    sensors: list[list[str]]
    history: int
    frames: int
    scored: int  # frames from the present one on; 0 = nothing is scored
    annotations: bool
    one_drive: bool
    maps_root: Path | None  # None = no map is opened

    def is_known_to_serve(
        self, entry: LogEntry, starts: Sequence[int], loader: SceneLoader
    ) -> bool:
        """Whether it is known of a log that no file and no frame of its windows is wanting."""
        if any(self.sensors) or len(entry.cities) != 1 or not self._has_ground(entry, starts):
            return False
        sole = (loader.is_sole(entry.tokens[start + self.history - 1]) for start in starts)
        windows = ((start, self._end(start)) for start in starts)
        return all(sole) and all(
            entry.reading.serves(start, end, self.annotations, self._joined)
            and entry.reading.fit(CAMERAS, start, start + len(self.sensors))
            for start, end in windows
        )

    def _has_ground(self, entry: LogEntry, starts: Sequence[int]) -> bool:
        """Whether the city's map is known to serve all windows of a log."""
        outline = open_outline(self.maps_root, entry.cities[0]) if self.maps_root else None
        if outline is None:
            return True
        routed = all(entry.routed[start + self.history - 1] for start in starts)
        return routed and outline.holds(entry.blocks, entry.corners)

    def check_ground(self, now: FrameDict) -> None:
        """Raise SceneError where the city's map cannot serve the present frame of a scene."""
        outline = open_outline(self.maps_root, now["map_location"]) if self.maps_root else None
        if outline is not None:
            x, y = now["ego2global_translation"][:2]
            outline.check(now["roadblock_ids"], float(x), float(y), now["token"])

    def check(self, frames: LogFrames, start: int) -> None:
        """Raise DataError where the window cannot be planned, or not be scored."""
        frames.check(start, self._end(start), self.annotations, self._joined)

    @property
    def _joined(self) -> int | None:
        if not self.one_drive:
            return 1
        return None if self.annotations else self.history

    def _end(self, start: int) -> int:
        """The frame after the last that is read."""
        return max(start + self.frames, start + self.history - 1 + self.scored)

    def files(self, frames: LogFrames, start: int) -> dict[tuple[int, str], str]:
        """Sensor files of the window by frame number and sensor; raises DataError."""
        found = {}
        for number, sensors in enumerate(self.sensors, start):
            frame = frames[number]
            entries = camera_entries(frame["cams"], frame["token"])
            for name in sensors:
                if name == "lidar_pc":
                    found[number, name] = lidar_file(frame.get("lidar_path"))
                else:
                    check_camera(entries[name], name, frame["token"])
                    found[number, name] = entries[name]["data_path"]
        return found


def _to_link(blobs: Path) -> str:
    """The command that makes sensor data known which lie elsewhere; "" where none do."""
    root, split = blobs.parent.parent, blobs.name
    if blobs.parent.name != BLOBS or blobs.exists():
        return ""
    found = find_download(root, BLOBS, split)
    return "" if found is None else command(found, root, BLOBS, split)


def _look(asked: _Asked, blobs: Path, logs: Sequence[_Windows]) -> list[_Found]:
    """The task of another process, which has opened none of these logs."""
    with paused():
        remember(windows.reading for windows in logs)
        return [_look_at(asked, blobs, windows, read_log) for windows in logs]


def _look_at(
    asked: _Asked, blobs: Path, windows: _Windows, load: Callable[[Path], LogFrames] | None = None
) -> _Found:
    """Open one log; folders of sensor files are listed once, not asked file by file."""
    frames = (load or load_log)(windows.log)
    found = _Found([], [], [])
    wanted: dict[tuple[int, str], str] = {}
    for start in windows.starts:
        now = frames[start + asked.history - 1]
        found.cities.append(str(now.get("map_location")))
        try:
            if start in windows.refused:
                raise windows.refused[start]
            asked.check(frames, start)
            wanted |= asked.files(frames, start)
            asked.check_ground(now)
        except ReWorldError as error:
            found.faults.append((now["token"], error))
    listings: dict[str, set[str]] = {}
    for (_, sensor), name in wanted.items():
        found.files.append((sensor, name, is_listed(listings, blobs, name)))
    return found


def is_listed(listings: dict[str, set[str]], blobs: Path, name: str) -> bool:
    """Whether the file `name` is there below `blobs`; `listings` keeps the folders' content."""
    folder, _, file = name.rpartition("/")
    if folder not in listings:
        try:
            listings[folder] = set(os.listdir(blobs / folder))  # noqa: PTH208 - names are enough
        except OSError:
            listings[folder] = set()
    return file in listings[folder]


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

"""Before a long run: does every file that it will open exist?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from reworld_agent.errors import ConfigError, DataError
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.logs import FrameDict
from reworld_agent.scenes.maps import city_map_path
from reworld_agent.scenes.sensors import CAMERA_NAMES, SensorConfig

_SHOWN = 3


@dataclass
class Preflight:
    """What a run over the loader's scenes will open, and what of it is missing.

    Attributes:
        scenes, images, point_clouds, cities: how many of each were looked for.
        missing_images, missing_point_clouds, missing_maps: files that are not there.
        unknown_tokens: tokens that the filter names and the split does not hold.
    """

    scenes: int = 0
    images: int = 0
    point_clouds: int = 0
    cities: int = 0
    missing_images: list[str] = field(default_factory=list)
    missing_point_clouds: list[str] = field(default_factory=list)
    missing_maps: list[str] = field(default_factory=list)
    unknown_tokens: list[str] = field(default_factory=list)

    def raise_if_missing(self) -> None:
        """Raise ConfigError (no scene, unknown tokens) or DataError (files), counted and named."""
        if self.unknown_tokens:
            raise ConfigError(
                _count(self.unknown_tokens, "tokens", "asked for are not in the split"),
                "correct scene_filter.tokens, or set train_test_split.data_split to their split",
            )
        if not self.scenes:
            raise ConfigError(
                "no scene passes the filter",
                "widen scene_filter (tokens, log_names, has_route, frame_interval)",
            )
        found = (
            (self.missing_maps, "city maps", self.cities, "set NUPLAN_MAPS_ROOT, or download them"),
            (self.missing_images, "images", self.images, _DOWNLOAD.format("sensor data")),
            (
                self.missing_point_clouds,
                "point clouds",
                self.point_clouds,
                _DOWNLOAD.format("lidar data"),
            ),
        )
        for missing, what, total, hint in found:
            if missing:
                raise DataError(_count(missing, what, f"of {total} are missing"), hint)


_DOWNLOAD = "download the split's {} into sensor_blobs, or leave logs out (scene_filter.log_names)"


def preflight(
    loader: SceneLoader, sensor_config: SensorConfig, whole_scene: bool = False, maps: bool = True
) -> Preflight:
    """Look for the logs, images, point clouds and city maps of all scenes of a loader.

    Args:
        loader: over the scenes of the run.
        sensor_config: the sensors that the agent asks for.
        whole_scene: future frames are opened too (an agent that is handed the scene).
        maps: the city maps are opened too (scoring).

    Raises:
        DataError: a log cannot be read.
    """
    report = Preflight(scenes=len(loader), unknown_tokens=loader.unknown_tokens())
    history = loader.scene_filter.num_history_frames
    count = loader.scene_filter.num_frames if whole_scene else history
    images: dict[str, None] = {}
    clouds: dict[str, None] = {}
    cities: dict[str, None] = {}
    for token in tqdm(loader.tokens, desc="checking files", unit="scene", delay=3.0, leave=False):
        frames = loader.scene_frames_dicts[token]
        cities[str(frames[history - 1].get("map_location"))] = None
        for number, frame in enumerate(frames[:count]):
            names = sensor_config.get_sensors_at_iteration(number)
            images.update(dict.fromkeys(_image_paths(frame, names)))
            if "lidar_pc" in names:
                clouds[str(frame.get("lidar_path"))] = None
    report.images, report.point_clouds = len(images), len(clouds)
    report.missing_images = _missing(loader.sensor_blobs_path, images)
    report.missing_point_clouds = _missing(loader.sensor_blobs_path, clouds)
    if maps and loader.maps_root is not None:
        report.cities = len(cities)
        report.missing_maps = _missing_maps(loader.maps_root, cities)
    return report


def _image_paths(frame: FrameDict, names: list[str]) -> list[str]:
    cameras = {name.lower(): entry for name, entry in frame.get("cams", {}).items()}
    return [
        str(cameras[name]["data_path"])
        for name in names
        if name in CAMERA_NAMES and name in cameras
    ]


def _missing(folder: Path, names: Iterable[str]) -> list[str]:
    return [str(folder / name) for name in names if not (folder / name).is_file()]


def _missing_maps(maps_root: Path, cities: Iterable[str]) -> list[str]:
    missing = []
    for city in cities:
        try:
            path = city_map_path(maps_root, city)
        except DataError as error:
            missing.append(error.message)
            continue
        if not path.is_file():
            missing.append(str(path))
    return missing


def _count(names: list[str], what: str, verb: str) -> str:
    shown = ", ".join(names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} {what} {verb}: {shown}{more}"

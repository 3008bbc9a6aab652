"""Before a long run over synthetic scenes: does every file that it will open exist?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from reworld_agent.core.errors import SceneError
from reworld_agent.scenes.maps.ground import open_outline
from reworld_agent.scenes.preflight import Preflight, count_map, is_listed
from reworld_agent.scenes.scene_pickles import ScenePickle, load_scene_pickle
from reworld_agent.scenes.sensors import SensorConfig

_DOWNLOAD = (
    "download stage two's {} and set synthetic_sensor_path= to their folder; an agent with other "
    "sensors may do without"
)


def preflight_pickles(
    paths: Sequence[Path],
    sensor_blobs: Path,
    sensor_config: SensorConfig,
    maps_root: Path | None = None,
) -> Preflight:
    """Look for the images, point clouds and city maps of synthetic scenes, and for their routes.

    Only a scene's own file names them, some milliseconds each; an agent without sensors opens none
    of them, so that none is read for it.

    Args:
        paths: the scenes' pickles.
        sensor_blobs: folder of their sensor data.
        sensor_config: the sensors that the agent asks for.
        maps_root: of the city maps; None where they are not opened.

    Raises:
        DataError: a scene cannot be read. One that its city's map cannot serve is none: see
            `faults`.
    """
    report = Preflight(scenes=len(paths), logs=len(paths), download=_DOWNLOAD)
    if not any(vars(sensor_config).values()):
        return report
    cities: dict[str, None] = {}
    listings: dict[str, set[str]] = {}
    for path in tqdm(paths, desc="checking stage two", unit="scene", delay=3.0, leave=False):
        scene = load_scene_pickle(path)
        cities[scene.metadata.map_name] = None
        if maps_root is not None:
            _check_ground(report, scene, maps_root)
        for sensor, name in scene.sensor_files(sensor_config):
            files = report.point_clouds if sensor == "lidar_pc" else report.images
            if name is None:
                files.add(Path(f"{path} (has no {sensor})"), False)
            else:
                files.add(sensor_blobs / name, is_listed(listings, sensor_blobs, name))
    if maps_root is not None:
        for city in cities:
            count_map(report, maps_root, city)
    return report


def _check_ground(report: Preflight, scene: ScenePickle, maps_root: Path) -> None:
    """Note a scene whose route, or whose place, its city's map does not have."""
    outline, now = open_outline(maps_root, scene.metadata.map_name), scene.frames[-1]
    if outline is None:
        return
    x, y = now["ego_status"]["ego_pose"][:2]
    try:
        outline.check(now["roadblock_ids"], float(x), float(y), scene.metadata.initial_token)
    except SceneError as error:
        report.faults.add(scene.metadata.initial_token, error)

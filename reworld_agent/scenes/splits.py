"""Where the data of a split lie: the user's own, else the embedded split, made on demand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reworld_agent.scenes import synthetic
from reworld_agent.scenes.camera_names import in_logs
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.roots import own_roots
from reworld_agent.scenes.sensors import SensorConfig
from reworld_agent.scenes.split_settings import SplitSettings


@dataclass(frozen=True)
class DataRoots:
    """Folders of one split: logs and sensor data below `data_root`, city maps in `maps_root`."""

    data_root: Path
    maps_root: Path
    data_split: str

    @property
    def logs(self) -> Path:
        """Folder of the logs."""
        return self.data_root / "navsim_logs" / self.data_split

    @property
    def sensor_blobs(self) -> Path:
        """Folder of the sensor data."""
        return self.data_root / "sensor_blobs" / self.data_split

    def loader(
        self,
        scene_filter: SceneFilter,
        sensor_config: SensorConfig | None = None,
        workers: int | None = 1,
    ) -> SceneLoader:
        """A scene loader over this split; see `SceneLoader` for `workers`."""
        blobs, maps = self.sensor_blobs, self.maps_root
        return SceneLoader(self.logs, blobs, scene_filter, sensor_config, maps, workers=workers)


def split_loader(split: SplitSettings, cameras: Iterable[str] = ("cam_f0",)) -> SceneLoader:
    """A loader of the scenes of a run's split, without sensors.

    An embedded split is made to have images of the `cameras`.
    """
    return resolve_split(split.data_split, in_logs(cameras)).loader(split.scene_filter)


def resolve_split(data_split: str, cameras: Sequence[str] = ("CAM_F0",)) -> DataRoots:
    """Find a split, or make it where it is an embedded one.

    `OPENSCENE_DATA_ROOT` and `NUPLAN_MAPS_ROOT` come first; an embedded split that does not lie
    there is made under the cache folder.

    Args:
        data_split: folder name below `navsim_logs`, such as `test` or `town_test`.
        cameras: cameras that an embedded split must have, such as `CAM_F0`.

    Raises:
        UsageError: there is no such split, or only one of the two variables is set.
    """
    own = own_roots(data_split)
    if own is not None:
        return DataRoots(*own, data_split)
    made = synthetic.ensure_split(data_split, cameras=tuple(cameras))
    return DataRoots(Path(made.data_root), Path(made.maps_root), made.data_split)

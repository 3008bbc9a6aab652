"""Where the data of a split lie: the user's own, else the embedded split, made on demand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.sensors import SensorConfig

EMBEDDED_SPLITS = ("town_train", "town_val", "town_test")
DATA_VARIABLE, MAPS_VARIABLE = "OPENSCENE_DATA_ROOT", "NUPLAN_MAPS_ROOT"


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
        self, scene_filter: SceneFilter, sensor_config: SensorConfig | None = None
    ) -> SceneLoader:
        """A scene loader over this split."""
        return SceneLoader(
            self.logs, self.sensor_blobs, scene_filter, sensor_config, self.maps_root
        )


def resolve_split(data_split: str, cameras: Sequence[str] = ("CAM_F0",)) -> DataRoots:
    """Find a split, or make it where it is an embedded one.

    `OPENSCENE_DATA_ROOT` and `NUPLAN_MAPS_ROOT` come first; an embedded split that does not lie
    there is made under the cache folder.

    Args:
        data_split: folder name below `navsim_logs`, such as `test` or `town_test`.
        cameras: cameras that an embedded split must have, such as `CAM_F0`.

    Raises:
        ConfigError: only one of the two variables is set, or neither and the split is not embedded.
        DataError: the split is not below `OPENSCENE_DATA_ROOT`.
    """
    data, maps = os.environ.get(DATA_VARIABLE), os.environ.get(MAPS_VARIABLE)
    if data and (Path(data) / "navsim_logs" / data_split).is_dir():
        if not maps:
            raise ConfigError(
                f"{DATA_VARIABLE} is set, {MAPS_VARIABLE} is not",
                f"export {MAPS_VARIABLE}=<folder that holds nuplan-maps-v1.0.json>",
            )
        return DataRoots(Path(data).absolute(), Path(maps).absolute(), data_split)
    if data_split in EMBEDDED_SPLITS:
        # what renders the town takes a second to import; users of their own data never need it
        from reworld_agent.scenes.synthetic import ensure_split  # noqa: PLC0415

        made = ensure_split(data_split, cameras=tuple(cameras))
        return DataRoots(Path(made.data_root), Path(made.maps_root), made.data_split)
    if data:
        logs = Path(data) / "navsim_logs"
        present = sorted(path.name for path in logs.iterdir()) if logs.is_dir() else []
        raise DataError(
            f"{logs / data_split}: no such split; present: {', '.join(present) or 'none'}",
            "set train_test_split.data_split to one of them, or download the split",
        )
    raise ConfigError(
        f"the split '{data_split}' is not embedded, and {DATA_VARIABLE} is not set",
        f"export {DATA_VARIABLE} and {MAPS_VARIABLE}, or use train_test_split=town_test",
    )

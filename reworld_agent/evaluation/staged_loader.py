"""Scenes of both stages of NAVSIM v2's evaluation, as a scene loader gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from reworld_agent.core.errors import DataError
from reworld_agent.evaluation.two_stage import stage_tokens
from reworld_agent.pdm.protocols.aggregate import Group
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.pickle_preflight import preflight_pickles
from reworld_agent.scenes.preflight import Preflight
from reworld_agent.scenes.scene import AgentInput, Scene
from reworld_agent.scenes.scene_pickles import (
    ScenePickle,
    list_scene_pickles,
    load_scene_pickle,
    scene_pickle_path,
)
from reworld_agent.scenes.sensors import SensorConfig

_IN_MEMORY = 4


@dataclass(frozen=True)
class SyntheticData:
    """Where stage two lies: folders of the pickles and of their sensor data."""

    scenes: Path
    sensor_blobs: Path


class StagedLoader:
    """The frames of some groups: those of stage one from logs, of stage two from pickles.

    Args:
        loader: of stage one.
        synthetic: of stage two.
        groups: of the split.
        sensor_config: which sensors.

    Raises:
        DataError: a synthetic scene of the groups is missing.
    """

    def __init__(
        self,
        loader: SceneLoader,
        synthetic: SyntheticData,
        groups: Sequence[Group],
        sensor_config: SensorConfig,
    ) -> None:
        first, second = stage_tokens(groups)
        self.tokens = [*first, *second]
        self._synthetic = frozenset(second)
        self._loader, self._data, self._sensors = loader, synthetic, sensor_config
        there = {path.stem for path in list_scene_pickles(synthetic.scenes)}
        missing = [token for token in second if token not in there]
        if missing:
            raise DataError(
                f"{synthetic.scenes}: {len(missing)} of {len(second)} synthetic scenes are "
                f"missing, first {missing[0]}.pkl",
                "download them, or use the mapping that belongs to them",
            )

    def __len__(self) -> int:
        return len(self.tokens)

    def preflight(self) -> Preflight:
        """The files of stage two that the agent's sensors and the scorer will open.

        Raises:
            DataError: a synthetic scene cannot be read.
        """
        tokens = [token for token in self.tokens if token in self._synthetic]
        paths = [scene_pickle_path(self._data.scenes, token) for token in tokens]
        maps_root = self._loader.maps_root
        return preflight_pickles(paths, self._data.sensor_blobs, self._sensors, maps_root)

    def get_agent_input_from_token(self, token: str) -> AgentInput:
        """What an agent may see; raises as `SceneLoader.get_agent_input_from_token`."""
        if token in self._synthetic:
            return self.get_scene_from_token(token).get_agent_input()
        return self._loader.get_agent_input_from_token(token)

    def get_scene_from_token(self, token: str) -> Scene:
        """The whole scene; a synthetic one has no future frames."""
        if token in self._synthetic:
            return self._pickle(token).scene(self._data.sensor_blobs, self._sensors)
        return self._loader.get_scene_from_token(token)

    def sources(self) -> dict[str, tuple[str, Path]]:
        """For each token the name of its log and the file that it is read from."""
        windows = self._loader.scene_frames_dicts.windows
        found = {}
        for token in self.tokens:
            if token in self._synthetic:
                path = scene_pickle_path(self._data.scenes, token)
                found[token] = (_log_name(path), path)
            else:
                found[token] = (windows[token].log.stem, windows[token].log)
        return found

    def _pickle(self, token: str) -> ScenePickle:
        return _load(scene_pickle_path(self._data.scenes, token))


@lru_cache(maxsize=_IN_MEMORY)
def _load(path: Path) -> ScenePickle:
    return load_scene_pickle(path)


def _log_name(path: Path) -> str:
    try:
        return _load(path).metadata.log_name
    except DataError:  # said when the scene is planned
        return ""

"""Scenes of a split by token; a log is opened when one of its scenes is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.errors import DataError, SceneError
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.log_index import LogEntry, LogIndex, open_index
from reworld_agent.scenes.logs import FrameDict, LogFrames, load_log
from reworld_agent.scenes.scene import AgentInput, Scene
from reworld_agent.scenes.sensors import SensorConfig


@dataclass(frozen=True)
class Window:
    """Where a scene lies: its log and the number of its first frame."""

    log: Path
    start: int


class SceneFrames(Mapping[str, list[FrameDict]]):
    """Token → frame dicts of the scene, read on demand. Logs are never all in memory."""

    def __init__(self, windows: dict[str, Window], num_frames: int) -> None:
        self.windows = windows
        self._num_frames = num_frames

    def log(self, token: str) -> LogFrames:
        """All frames of the log that the scene lies in."""
        return load_log(self.windows[token].log)

    def __getitem__(self, token: str) -> list[FrameDict]:
        window = self.windows[token]
        return load_log(window.log)[window.start : window.start + self._num_frames]

    def __iter__(self) -> Iterator[str]:
        return iter(self.windows)

    def __len__(self) -> int:
        return len(self.windows)


class SceneLoader:
    """Loads agent inputs and scenes. Logs are taken by name, scenes in the order of their log.

    Args:
        data_path: folder of logs, `<data_root>/navsim_logs/<data_split>`.
        sensor_blobs_path: folder of sensor data; None where no sensor is loaded.
        scene_filter: which scenes.
        sensor_config: which sensors; none by default.
        maps_root: folder of city maps, for `Scene.map_api`.
        one_drive: the frames of a scene must follow one another at 2 Hz in one log, which those
            of a synthetic scene need not.
        workers: processes that open logs which are not known, where there are many; None takes
            one for each core.

    Raises:
        DataError: the folder is missing or empty, or a log cannot be read.
    """

    def __init__(
        self,
        data_path: Path | str,
        sensor_blobs_path: Path | str | None,
        scene_filter: SceneFilter,
        sensor_config: SensorConfig | None = None,
        maps_root: Path | str | None = None,
        one_drive: bool = True,
        workers: int | None = 1,
    ) -> None:
        self.one_drive = one_drive
        self.data_path = Path(data_path)
        self.sensor_blobs_path = Path(sensor_blobs_path or "")
        self.scene_filter = scene_filter
        self.sensor_config = sensor_config or SensorConfig.build_no_sensors()
        self.maps_root = None if maps_root is None else Path(maps_root)
        self._index = open_index(self.data_path)
        self._ambiguous: set[str] = set()
        windows = _filter_scenes(self._index, scene_filter, self._ambiguous, workers)
        self.scene_frames_dicts = SceneFrames(windows, scene_filter.num_frames)

    @property
    def tokens(self) -> list[str]:
        """Tokens of the scenes' present frames."""
        return list(self.scene_frames_dicts)

    def __len__(self) -> int:
        return len(self.scene_frames_dicts)

    def __getitem__(self, index: int) -> str:
        return self.tokens[index]

    def get_agent_input_from_token(self, token: str) -> AgentInput:
        """What an agent may see of the scene.

        Raises:
            SceneError: the token is none of this loader's.
            DataError: a frame or a sensor file is missing or damaged, or the frames of the
                history are not one drive at 2 Hz; names log and token.
        """
        frames = self._frames(token, annotations=False)
        return AgentInput.from_scene_dict_list(
            frames, self.sensor_blobs_path, self.scene_filter.num_history_frames, self.sensor_config
        )

    def get_scene_from_token(self, token: str) -> Scene:
        """The whole scene, future included; raises as `get_agent_input_from_token`."""
        frames = self._frames(token, annotations=True)
        return Scene.from_scene_dict_list(
            frames,
            self.sensor_blobs_path,
            self.scene_filter.num_history_frames,
            self.scene_filter.num_future_frames,
            self.sensor_config,
            self.maps_root,
        )

    def get_tokens_list_per_log(self) -> dict[str, list[str]]:
        """Tokens by name of their log."""
        tokens: dict[str, list[str]] = {}
        for token, window in self.scene_frames_dicts.windows.items():
            tokens.setdefault(window.log.stem, []).append(token)
        return tokens

    def unknown_tokens(self) -> list[str]:
        """Tokens that the filter asks for and no log of the split holds."""
        wanted = self.scene_filter.tokens
        if wanted is None or self.scene_filter.max_scenes is not None:
            return []
        left = set(wanted) - set(self.scene_frames_dicts)
        if left:
            for path in self._index.progress(self._index.paths):
                left -= set(self._index.entry(path).tokens)
        return [token for token in wanted if token in left]

    def entry(self, log: Path) -> LogEntry:
        """What is known of one of its logs."""
        return self._index.entry(log)

    def is_sole(self, token: str) -> bool:
        """Whether no other frame bears the token."""
        return token not in self._ambiguous

    def check_token(self, token: str) -> None:
        """Raise SceneError where a token names more than one frame."""
        if not self.is_sole(token):
            raise SceneError(
                f"token {token} names more than one frame of {self.data_path} (NAVSIM's devkit "
                "would take the last)",
                "keep one of them in this folder",
            )

    def _frames(self, token: str, annotations: bool) -> list[FrameDict]:
        window = self.scene_frames_dicts.windows.get(token)
        if window is None:
            raise SceneError(
                f"token {token} is none of the {len(self)} scenes of {self.data_path}",
                "check the token, train_test_split.data_split and train_test_split.scene_filter",
            )
        self.check_token(token)
        last = window.start + self.scene_filter.num_frames
        joined = None if annotations else self.scene_filter.num_history_frames
        joined = joined if self.one_drive else 1
        self.scene_frames_dicts.log(token).check(window.start, last, annotations, joined)
        return self.scene_frames_dicts[token]


def _filter_scenes(
    index: LogIndex, scene_filter: SceneFilter, ambiguous: set[str], workers: int | None
) -> dict[str, Window]:
    """Windows by token, as the devkit finds them; stops at `max_scenes`.

    Tokens that more than one frame bears are added to `ambiguous`.
    """
    paths = index.paths
    if scene_filter.log_names is not None:
        names = set(scene_filter.log_names)
        missing = sorted(names - {path.stem for path in paths})
        if missing:
            raise DataError(
                f"{index.folder}: {len(missing)} of {len(names)} logs asked for are missing, "
                f"first {missing[0]}",
                "download them, or change scene_filter.log_names",
            )
        paths = [path for path in paths if path.stem in names]
    windows: dict[str, Window] = {}
    workers = workers if scene_filter.max_scenes is None else 1  # the first logs may be enough
    for entry in index.read(paths, workers):
        if isinstance(entry, DataError):
            raise entry
        for token, start in scene_filter.windows(entry):
            if token in windows or token in entry.repeated:
                ambiguous.add(token)
            windows[token] = Window(entry.path, start)
            if scene_filter.max_scenes is not None and len(windows) >= scene_filter.max_scenes:
                return windows
    index.keep()
    return windows

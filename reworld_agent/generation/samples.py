"""What a future is generated from: a video file, a row of an index, or a scene of an agent.

Shapes: T frames, H, W pixels; clips are uint8 [T, 3, H, W].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.dataset import read_row
from reworld_agent.clips.decode import read_frames
from reworld_agent.clips.index import ClipIndex
from reworld_agent.clips.kinematics import COMMANDS
from reworld_agent.clips.resample import nearest, steady_grid
from reworld_agent.clips.stored import Stored
from reworld_agent.config import FRONT, ClipConfig
from reworld_agent.core.errors import DataError, SceneError
from reworld_agent.features import frame_image
from reworld_agent.scenes.camera_names import in_logs
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.geometry import relative_poses
from reworld_agent.scenes.sensors import SensorConfig
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.video.prompts import Motion

Clip = NDArray[np.uint8]


@dataclass(frozen=True)
class Conditioning:
    """What a model can be conditioned on beside the frames.

    Attributes:
        ego: [8] velocity (m/s), acceleration (m/s²), command one-hot at the present.
        motion: over the history, for a sentence.
    """

    ego: NDArray[np.float32]
    motion: Motion


@dataclass(frozen=True)
class View:
    """One of the `count` views whose frames stand one below the other; None = all of them."""

    number: int | None
    count: int

    def of(self, frames: Clip) -> Clip:
        """Its frames [T, 3, H, W] of all frames [T, 3, V H, W]."""
        if self.number is None or self.count == 1:
            return frames
        height = frames.shape[2] // self.count
        return frames[:, :, self.number * height :][:, :, :height]


@dataclass(frozen=True)
class Sample:
    """One clip.

    Attributes:
        name: names its files.
        history: the frames up to the present one.
        real: the frames after it; None where the source has not enough.
        conditioning: how the ego moved over the history; None where it is not known.
    """

    name: str
    history: Clip
    real: Clip | None
    conditioning: Conditioning | None = None

    def of_view(self, view: View) -> Sample:
        """The same with the frames of one view alone."""
        real = None if self.real is None else view.of(self.real)
        return replace(self, history=view.of(self.history), real=real)


def from_file(path: Path, clip: ClipConfig, start: int = 0, stored: Stored | None = None) -> Sample:
    """The first frames of a video or folder, at the clip's rate; DataError where too few."""
    size, past = (clip.height, clip.width), clip.history_frames
    history = read_frames(path, start, past, clip.fps, size, stored)
    try:
        real = read_frames(path, start + past, clip.future_frames, clip.fps, size, stored)
    except DataError as error:
        if "asked for" not in error.message:  # a damaged file, not a short one
            raise
        real = None
    return Sample(path.stem, history, real)


def from_index(index: ClipIndex, numbers: Sequence[int], clip: ClipConfig) -> Iterator[Sample]:
    """Clips of an index, at the model's rate; DataError where a row is too short for it."""
    for number in numbers:
        row = index.row(number)
        places = frames_of(row, clip)
        past, both = clip.history_frames, clip.history_frames + clip.future_frames
        wanted = places[: both if len(places) >= both else past]
        frames = read_row(row, index.root, wanted, (clip.height, clip.width))
        real = frames[past:] if len(wanted) == both else None
        yield Sample(str(row["clip_id"]), frames[:past], real, _told(row, places[:past]))


def frames_of(row: dict[str, Any], clip: ClipConfig) -> NDArray[np.int64]:
    """Where a row has frames at the clip's rate; DataError where too few for the history."""
    if clip.fps > 1.01 * row["fps"]:
        raise DataError(
            f"{row['clip_id']}: has {row['fps']:g} frames a second, {clip.fps:g} are wanted",
            f"make the index again with fps={clip.fps:g}, or say fps={row['fps']:g}",
        )
    times = np.arange(row["frames"]) / row["fps"]  # its frames are those nearest to these
    places = nearest(times, steady_grid(times, clip.fps))
    if len(places) < clip.history_frames:
        raise DataError(
            f"{row['clip_id']}: has {len(places)} frames at {clip.fps:g} fps, "
            f"the history needs {clip.history_frames}",
            "make an index of longer clips, or say fps= to read it at another rate",
        )
    return places


def _told(row: dict[str, Any], places: NDArray[np.int64]) -> Conditioning | None:
    """The motion of an index row over its history, `places` of its frames."""
    if row["speed"] is None:
        return None
    first, present = int(places[0]), int(places[-1])
    pose = np.stack([np.asarray(row[name]) for name in ("x", "y", "heading")], axis=1)
    # the first pose as the present sees it: the way covered, in the present's own frame
    back = relative_poses(pose[present].copy(), pose[[first]])[0]
    word = str(row["command"][present])
    speed, pull = float(row["speed"][present]), float(row["acceleration"][present])
    return _tell(np.array([speed, 0.0, pull, 0.0]), back, word)


def conditioning_of_rows(index: ClipIndex, clip: ClipConfig) -> Iterator[Conditioning | None]:
    """The motion of every clip of an index over the history of `clip`; None = not known."""
    for number in range(len(index)):
        row = index.row(number)
        yield _told(row, frames_of(row, clip)[: clip.history_frames])


def _tell(state: NDArray[np.float64], back: NDArray[np.float64], word: str) -> Conditioning:
    """From velocity and acceleration [4], the first pose seen from the present [3], the command."""
    one_hot = [float(word == name) for name in COMMANDS]
    motion = Motion(
        forward=-float(back[0]),
        lateral=-float(back[1]),
        yaw=-float(np.degrees(back[2])),
        speed=float(np.hypot(*state[:2])),
        acceleration=float(np.hypot(*state[2:])),
        command=word,
    )
    return Conditioning(np.array([*state, *one_hot], dtype=np.float32), motion)


def from_scene(
    token: str, data_split: str, clip: ClipConfig, names: Sequence[str] = FRONT
) -> Sample:
    """An agent's scene: its history at 2 Hz and, where there are images, what came after.

    The images of several cameras, `names`, stand one below the other.

    Raises:
        ConfigError, DataError, SceneError: the split or the token is not there; the clip is not
            of 2 Hz.
    """
    past, ahead = clip.history_frames, clip.future_frames
    scene_filter = SceneFilter(
        num_history_frames=past,
        num_future_frames=ahead,
        frame_interval=1,
        has_route=False,
        tokens=(token,),
    )
    sensors = replace(SensorConfig.build_no_sensors(), **dict.fromkeys(names, True))
    loader = resolve_split(data_split, in_logs(names)).loader(scene_filter, sensors)
    if token not in loader.tokens:
        message = f"{data_split} has no scene {token} with {past} + {ahead} frames"
        raise SceneError(message, "name its split with data_split=, or another token=")
    given = loader.get_agent_input_from_token(token)
    where = f"scene {token}"
    history = np.stack([frame_image(cameras, clip, where, names) for cameras in given.cameras])
    try:
        scene = loader.get_scene_from_token(token)
        later = scene.frames[past : past + ahead]
        real = np.stack([frame_image(frame.cameras, clip, where, names) for frame in later])
    except DataError:  # NAVSIM's own splits have images of the history alone
        real = None
    conditioning = conditioning_of_statuses(given.ego_statuses)
    return Sample(token, history, real, conditioning)


def conditioning_of_statuses(statuses: Sequence[Any]) -> Conditioning:
    """The motion of NAVSIM's ego statuses, whose poses the present sees."""
    present = statuses[-1]
    state = np.concatenate([present.ego_velocity, present.ego_acceleration]).astype(np.float64)
    command = np.asarray(present.driving_command)
    word = COMMANDS[int(command.argmax())] if command.any() else COMMANDS[-1]
    return _tell(state, np.asarray(statuses[0].ego_pose, dtype=np.float64), word)


def other_future(path: Path, clip: ClipConfig) -> Clip:
    """Another model's future: a file of the future's frames, or of history and future.

    Raises:
        DataError: it has neither number of frames.
    """
    frames = read_frames(path, size=(clip.height, clip.width))
    ahead = clip.future_frames
    if len(frames) not in (ahead, clip.history_frames + ahead):
        message = f"{path}: has {len(frames)} frames, not the {ahead} of the future"
        raise DataError(message, f"or the {clip.history_frames + ahead} of history and future")
    return frames[-ahead:]

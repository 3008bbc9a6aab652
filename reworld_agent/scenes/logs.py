"""Log files: one pickle a log, a list of 2 Hz frame dicts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from reworld_agent.core.errors import DataError
from reworld_agent.core.unpickle import load_pickle
from reworld_agent.scenes.frame_checks import (
    DAMAGED,
    FrameDict,
    gaps_are_scored,
    validate_frame,
    validate_step,
)

_LOGS_IN_MEMORY = 6  # a real log is tens of megabytes once unpickled


class LogFrames(list[FrameDict]):
    """Frames of one log, in time order; what is wrong with them is looked for once.

    Args:
        frames: the frame dicts.
        path: the log's file, for messages.
    """

    def __init__(self, frames: Iterable[FrameDict], path: Path) -> None:
        super().__init__(frames)
        self.path = path
        self._faults: dict[tuple[int, str], DataError | None] = {}

    def check(
        self, first: int, last: int, annotations: bool = True, joined: int | None = None
    ) -> None:
        """Check the frames `first` up to but without `last`, as far as the log has them.

        Args:
            first, last: frame numbers.
            annotations: also their boxes.
            joined: of so many frames from `first` on, that each follows the one before it; None:
                of all of them.

        Raises:
            DataError: what is wrong with the first frame that cannot be used.
        """
        first, last = max(first, 0), min(last, len(self))
        end = last if joined is None else first + joined
        end = first if gaps_are_scored() else end
        for number in range(first, last):
            self._check(number, "boxes" if annotations else "frame")
            if first < number < end:
                self._check(number, "step")

    def _check(self, number: int, what: str) -> None:
        key = (number, what)
        if key not in self._faults:
            try:
                if what == "step":
                    validate_step(self[number - 1], self[number], self.path)
                else:
                    validate_frame(self[number], self.path, what == "boxes")
                self._faults[key] = None
            except DataError as error:
                self._faults[key] = error
        fault = self._faults[key]
        if fault is not None:
            raise DataError(fault.message, fault.hint)


def load_log(path: Path | str) -> LogFrames:
    """Frames of one log, in time order.

    The last few logs stay in memory and are shared: do not change what is returned.

    Raises:
        DataError: the file is missing, truncated, hostile, or no list of frames.
    """
    path = Path(path)
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(
            f"{path}: cannot read the log ({error.strerror})",
            "check OPENSCENE_DATA_ROOT and train_test_split.data_split, or download the log",
        ) from error
    return _load_log(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=_LOGS_IN_MEMORY)
def _load_log(path: Path, size: int, modified_ns: int) -> LogFrames:
    frames = load_pickle(path)
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise DataError(f"{path}: a log must be a list of frame dicts", DAMAGED)
    for index, frame in enumerate(frames):
        for key in ("token", "roadblock_ids"):
            if key not in frame:
                raise DataError(f"{path}: frame {index} has no '{key}'", DAMAGED)
        if not isinstance(frame["token"], str):
            raise DataError(f"{path}: the token of frame {index} is no text", DAMAGED)
        if not hasattr(frame["roadblock_ids"], "__len__"):
            raise DataError(f"{path}: roadblock_ids of frame {index} is no list", DAMAGED)
    return LogFrames(frames, path)

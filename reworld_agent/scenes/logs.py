"""Log files: one pickle a log, a list of 2 Hz frame dicts, and what is known of those read before.

A log is known by the hash of its bytes, whatever its name, its time or its place: one that was
changed, or that another file was put in place of, is not known, and is read and checked with all
care.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from reworld_agent.core.errors import DataError
from reworld_agent.core.records.file_hashes import file_state
from reworld_agent.core.unpickle import load_known_pickle
from reworld_agent.scenes.frame_checks import (
    DAMAGED,
    FrameDict,
    gaps_are_scored,
    validate_frame,
    validate_step,
)
from reworld_agent.scenes.sensors import camera_entries

_LOGS_IN_MEMORY = 6  # a real log is tens of megabytes once unpickled
FRAME, BOXES, STEP, CAMERAS = KINDS = ("frame", "boxes", "step", "cameras")


@dataclass(frozen=True)
class Reading:
    """What is known of the bytes of a log.

    Attributes:
        sha256: of them.
        plain: see `core.unpickle.Content`.
        unfit: numbers of the frames that a check refuses, by the check: `frame` (what is planned
            from), `boxes` (what is scored from besides), `step` (it does not follow the one
            before it), `cameras` (one of the eight is not named).
    """

    sha256: str
    plain: bool
    unfit: dict[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        """Raise DataError where a check is missing or another is there."""
        if set(self.unfit) != set(KINDS):
            raise DataError("no record of these checks", "delete it")

    def fit(self, kind: str, first: int, last: int) -> bool:
        """Whether the check passes all frames `first` up to but without `last`."""
        return not any(first <= number < last for number in self.unfit[kind])

    def serves(self, first: int, last: int, annotations: bool, joined: int | None) -> bool:
        """Whether `LogFrames.check` would pass the same frames."""
        first = max(first, 0)
        end = last if joined is None else first + joined
        content = BOXES if annotations else FRAME
        return self.fit(content, first, last) and self.fit(STEP, first + 1, end)


_KNOWN: dict[str, Reading] = {}


def remember(readings: Iterable[Reading]) -> None:
    """Let this process know what was read."""
    _KNOWN.update((reading.sha256, reading) for reading in readings)


def recall(sha256: str) -> Reading | None:
    """What is known of the bytes with this hash."""
    return _KNOWN.get(sha256)


def is_plain(sha256: str) -> bool:
    """Whether the bytes with this hash are known to be plain."""
    known = _KNOWN.get(sha256)
    return known is not None and known.plain


class LogFrames(list[FrameDict]):
    """Frames of one log, in time order; what is wrong with them is looked for once.

    Args:
        frames: the frame dicts.
        path: the log's file, for messages.
        sha256: of the file's bytes; "" where they are not known.
        plain: see `Reading`.
    """

    def __init__(
        self, frames: Iterable[FrameDict], path: Path, sha256: str = "", plain: bool = False
    ) -> None:
        super().__init__(frames)
        self.path = path
        self._sha256, self._plain = sha256, plain
        self._known = recall(sha256)
        self._faults: dict[tuple[int, str], DataError | None] = {}

    def reading(self) -> Reading:
        """What is found of all frames; it is known in this process from then on."""
        if self._known is None:
            numbers = range(len(self))
            unscored = [number for number in numbers if not self._passes(number, BOXES)]
            unfit = [number for number in unscored if not self._passes(number, FRAME)]
            bad = set(unfit)  # of which the other two checks cannot be asked
            steps = [n for n in numbers[1:] if bad & {n - 1, n} or not self._passes(n, STEP)]
            blind = [n for n in numbers if n in bad or not self._passes(n, CAMERAS)]
            found = {BOXES: unscored, FRAME: unfit, STEP: steps, CAMERAS: blind}
            self._known = Reading(
                self._sha256, self._plain, {kind: tuple(of) for kind, of in found.items()}
            )
            remember([self._known] if self._sha256 else [])
        return self._known

    def _passes(self, number: int, what: str) -> bool:
        try:
            self._check(number, what)
        except DataError:
            return False
        return True

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
        if self._known and self._known.serves(first, last, annotations, joined):
            return
        first, last = max(first, 0), min(last, len(self))
        end = last if joined is None else first + joined
        end = first if gaps_are_scored() else end
        for number in range(first, last):
            self._check(number, BOXES if annotations else FRAME)
            if first < number < end:
                self._check(number, STEP)

    def _check(self, number: int, what: str) -> None:
        key = (number, what)
        if key not in self._faults:
            try:
                self._look(number, what)
                self._faults[key] = None
            except DataError as error:
                self._faults[key] = error
        fault = self._faults[key]
        if fault is not None:
            raise DataError(fault.message, fault.hint)

    def _look(self, number: int, what: str) -> None:
        frame = self[number]
        if what == STEP:
            validate_step(self[number - 1], frame, self.path)
        elif what == CAMERAS:
            camera_entries(frame["cams"], frame["token"])
        else:
            validate_frame(frame, self.path, what == BOXES)


def load_log(path: Path | str) -> LogFrames:
    """Frames of one log, in time order.

    The last few logs stay in memory and are shared: do not change what is returned.

    Raises:
        DataError: the file is missing, truncated, hostile, or no list of frames.
    """
    path = Path(path)
    return _load_log(path, log_state(path))


def log_state(path: Path) -> tuple[int, ...]:
    """The state of a log's file; DataError where there is none, or a link that leads nowhere."""
    try:
        return file_state(path)
    except OSError as error:
        raise DataError(
            f"{path}: cannot read the log ({error.strerror})",
            "check OPENSCENE_DATA_ROOT and train_test_split.data_split, or download the log",
        ) from error


@lru_cache(maxsize=_LOGS_IN_MEMORY)
def _load_log(path: Path, state: tuple[int, ...]) -> LogFrames:
    return read_log(path)


def read_log(path: Path) -> LogFrames:
    """Frames of one log that nobody else needs: nothing of it stays; raises as `load_log`."""
    content = load_known_pickle(path, is_plain)
    frames = content.value
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise DataError(f"{path}: a log must be a list of frame dicts", DAMAGED)
    for index, frame in enumerate(frames):
        if "token" not in frame:
            raise DataError(f"{path}: frame {index} has no 'token'", DAMAGED)
        if not isinstance(frame["token"], str):
            raise DataError(f"{path}: the token of frame {index} is no text", DAMAGED)
    return LogFrames(frames, path, content.sha256, content.plain)

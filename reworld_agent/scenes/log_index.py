"""Which log holds which token? Answered without keeping logs in memory.

A real split has a thousand logs of tens of megabytes. Each is opened and checked once; what is
found is kept in the process and, where that took long, in a file under the cache folder, valid as
long as a log's size and its times of change stay the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from reworld_agent.core import unpickle
from reworld_agent.core.errors import DataError, SceneError
from reworld_agent.core.guards.owners import only_ours
from reworld_agent.core.paths import cache_home
from reworld_agent.core.records import read_record, write_record
from reworld_agent.core.unpickle.collector import paused
from reworld_agent.core.workers import run_in_order
from reworld_agent.scenes.logs import (
    FRAME,
    FrameDict,
    LogFrames,
    Reading,
    load_log,
    log_state,
    read_log,
    remember,
)

WORTH_KEEPING_S = 0.5
_WORTH_PROCESSES, _PORTION = 32 << 20, 4 << 20  # bytes of logs: a second's work, and 0.1 s of it
_CHECKS = ("camera_names.py", "frame_checks.py", "log_index.py", "logs.py", "sensors.py")
_SETTLED_NS = 2_000_000_000  # file systems keep times to 2 s or better
Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass(frozen=True)
class LogEntry:
    """What a scene filter needs to know of one log.

    Attributes:
        path: the log's file.
        stamp: its state when it was read; see `file_state`.
        tokens: tokens of its frames, in order.
        routed: for each frame, whether it has a route.
        cities: `map_location` of its frames, each once.
        blocks: blocks of the routes of its frames, each once.
        corners: (low x, low y) and (high x, high y) [m] of its car; none where no frame serves.
        reading: what was found of its bytes.
    """

    path: Path
    stamp: tuple[int, ...]
    tokens: tuple[str, ...]
    routed: tuple[bool, ...]
    cities: tuple[str, ...]
    blocks: tuple[str, ...]
    corners: tuple[tuple[float, float], ...]
    reading: Reading

    @cached_property
    def repeated(self) -> frozenset[str]:
        """Tokens that more than one frame bears."""
        if len(set(self.tokens)) == len(self.tokens):
            return frozenset()
        return frozenset(token for token, count in Counter(self.tokens).items() if count > 1)


@dataclass(frozen=True)
class _Row:
    """What is kept of a log between processes; see `LogEntry`."""

    stamp: tuple[int, ...]
    tokens: tuple[str, ...]
    routed: tuple[bool, ...]
    cities: tuple[str, ...]
    blocks: tuple[str, ...]
    corners: tuple[tuple[float, float], ...]
    reading: Reading

    def __post_init__(self) -> None:
        """Raise DataError where the frames' tokens and routes are not as many, or no corner is."""
        if len(self.tokens) != len(self.routed) or any(len(at) != 2 for at in self.corners):
            raise DataError("a frame without token, route or place", "delete the record")


@dataclass(frozen=True)
class _Rows:
    """The record of a folder: the rules that its logs were read by, and the logs by name."""

    rules: str
    logs: dict[str, _Row]


class LogIndex:
    """The logs of one folder, indexed as they are asked for.

    Args:
        folder: `<data_root>/navsim_logs/<data_split>`.
        store: file that keeps the index between processes; None picks one under the cache folder.

    Raises:
        DataError: the folder is missing or holds no log.
    """

    def __init__(self, folder: Path, store: Path | None = None) -> None:
        self.folder = folder
        self._stamp = _folder_stamp(folder)
        self.paths = list_logs(folder)
        self._store = store or _default_store(folder)
        self._entries = self._load()
        self._seconds = 0.0
        self._positions: dict[str, tuple[Path, int]] = {}
        self._ambiguous: set[str] = set()

    def up_to_date(self) -> bool:
        """Whether the folder still holds the same logs; lists them only where it changed.

        A folder's time of change tells of every log that came, went or was renamed, unless it is
        so recent that the next change could bear the same time.
        """
        stamp = _folder_stamp(self.folder)
        if stamp is not None and stamp == self._stamp:
            return True
        self._stamp = stamp
        return self.paths == list_logs(self.folder)

    def entry(self, path: Path) -> LogEntry:
        """The entry of one log; opens the log the first time."""
        known = self._known(path)
        if known is not None:
            return known
        started = time.perf_counter()
        entry = self._entries[path.name] = _entry_of(path, load_log)
        self._seconds += time.perf_counter() - started
        return entry

    def read(
        self, paths: Sequence[Path] | None = None, workers: int | None = 1
    ) -> Iterator[LogEntry | DataError]:
        """Entries of logs in their order, with a bar where it takes more than a few seconds.

        Args:
            paths: the logs; None takes all.
            workers: processes that open those which are not known, where there are many; None
                takes one for each core. A script that asks for more than one guards its own
                start by `if __name__ == "__main__"`.

        Yields:
            The entry, or the error of a log that cannot be read.
        """
        paths = self.paths if paths is None else paths
        there = [path for path in paths if workers != 1 and path.is_file()]
        fresh = [path for path in there if self._known(path) is None]
        if not are_many(fresh):
            yield from (_or_error(self.entry, path) for path in self.progress(paths))
            return
        started, opened = time.perf_counter(), set(fresh)
        found = over_logs(_read_logs, fresh, fresh, workers)
        for path in self.progress(paths):
            entry = next(found) if path in opened else _or_error(self.entry, path)
            if isinstance(entry, LogEntry):
                self._entries[path.name] = entry
                remember([entry.reading])
            yield entry
        self._seconds += time.perf_counter() - started

    def sha256(self, path: Path) -> str | None:
        """The hash of a log's bytes, where it was read and is as it was then."""
        known = self._known(path)
        return None if known is None else known.reading.sha256

    def _known(self, path: Path) -> LogEntry | None:
        known = self._entries.get(path.name)
        return known if known is not None and known.stamp == log_state(path) else None

    def position(self, token: str) -> tuple[Path, int]:
        """Log and frame number of a token.

        Raises:
            SceneError: no log of the folder holds it, or more than one frame bears it.
        """
        found = self._positions.get(token)
        if found is None or not self._holds(token, *found):
            self._locate_all()
            found = self._positions.get(token)
        if found is None:
            raise SceneError(
                f"token {token} is in none of the {len(self.paths)} logs of {self.folder}",
                "check the token, or train_test_split.data_split",
            )
        if token in self._ambiguous:
            raise SceneError(
                f"token {token} names more than one frame of {self.folder}, the last in {found[0]} "
                "(NAVSIM's devkit would take that)",
                "keep one of them in this folder",
            )
        return found

    def _holds(self, token: str, path: Path, index: int) -> bool:
        tokens = self.entry(path).tokens
        return index < len(tokens) and tokens[index] == token

    def _locate_all(self) -> None:
        entries = [self.entry(path) for path in self.progress(self.paths)]
        self._positions, self._ambiguous = {}, set()
        for entry in entries:
            self._ambiguous |= entry.repeated
            self._ambiguous.update(token for token in entry.tokens if token in self._positions)
            self._positions |= {token: (entry.path, i) for i, token in enumerate(entry.tokens)}
        self.keep()

    def progress(self, paths: Iterable[Path]) -> Iterable[Path]:
        """The paths, with a bar where it takes more than a few seconds."""
        return tqdm(paths, desc="reading logs", unit="log", delay=3.0, leave=False)

    def keep(self, worth_s: float = WORTH_KEEPING_S) -> None:
        """Save the index where reading took `worth_s` or more; an unwritable cache is no error."""
        if self._seconds < worth_s:
            return
        rows = {
            name: {
                **{key: getattr(entry, key) for key in _Row.__annotations__},
                "reading": vars(entry.reading),
            }
            for name, entry in self._entries.items()
        }
        with contextlib.suppress(DataError, OSError):
            write_record(self._store, {"rules": rules(), "logs": rows})
            self._store.chmod(0o644)  # who could write it could have a log read without care
        self._seconds = 0.0

    def _load(self) -> dict[str, LogEntry]:
        if not only_ours(self._store):
            return {}  # absent, or anyone's
        try:
            found = read_record(self._store, _Rows, "")
        except DataError:
            return {}  # damaged: it is only a cache
        if found.rules != rules():
            return {}
        remember(row.reading for row in found.logs.values())
        return {name: LogEntry(self.folder / name, **vars(row)) for name, row in found.logs.items()}


def _entry_of(path: Path, load: Callable[[Path], LogFrames]) -> LogEntry:
    """Open a log; raises DataError."""
    stamp = log_state(path)
    with paused():
        frames = load(path)
        tokens = tuple(str(frame["token"]) for frame in frames)
        routed = tuple(_has_route(frame.get("roadblock_ids")) for frame in frames)
        named = (frame.get("map_location") for frame in frames)
        cities = tuple(dict.fromkeys(city for city in named if isinstance(city, str)))
        reading = frames.reading()
        blocks, corners = _ground(frames, frozenset(reading.unfit[FRAME]))
        return LogEntry(path, stamp, tokens, routed, cities, blocks, corners, reading)


def _ground(
    frames: Sequence[FrameDict], unfit: frozenset[int]
) -> tuple[tuple[str, ...], tuple[tuple[float, float], ...]]:
    """Blocks and corners of the frames that serve; see `LogEntry`."""
    fit = [frame for number, frame in enumerate(frames) if number not in unfit]
    blocks = dict.fromkeys(chain.from_iterable(frame["roadblock_ids"] for frame in fit))
    places = [frame["ego2global_translation"] for frame in fit]
    xs, ys = [float(place[0]) for place in places], [float(place[1]) for place in places]
    corners = ((min(xs), min(ys)), (max(xs), max(ys))) if fit else ()
    return tuple(dict.fromkeys(map(str, blocks))), corners


def _has_route(blocks: Any) -> bool:
    """Whether blocks are named; what is no list counts too: its scenes fail, and say why."""
    return not hasattr(blocks, "__len__") or len(blocks) > 0


def _or_error(entry: Callable[[Path], LogEntry], path: Path) -> LogEntry | DataError:
    try:
        return entry(path)
    except DataError as error:
        return error


def _read_logs(paths: Sequence[Path]) -> list[LogEntry | DataError]:
    """The task of another process: nothing of a log stays there."""
    with paused():
        return [_or_error(partial(_entry_of, load=read_log), path) for path in paths]


def are_many(paths: Iterable[Path]) -> bool:
    """Whether it takes longer to open these logs than to start processes for it."""
    return sum(path.stat().st_size for path in paths) >= _WORTH_PROCESSES


def over_logs(
    look: Callable[[Sequence[Item]], Sequence[Found]],
    items: Sequence[Item],
    paths: Sequence[Path],
    workers: int | None,
) -> Iterator[Found]:
    """What other processes find where each opens some logs, in the order of these.

    Args:
        look: of a module; what it finds of some of the items.
        items: one for each log.
        paths: of the logs.
        workers: processes; None takes one for each core.
    """
    portions: list[list[Item]] = []
    left = 0
    for item, path in zip(items, paths, strict=True):
        if left <= 0:
            portions.append([])
            left = _PORTION
        portions[-1].append(item)
        left -= path.stat().st_size
    for found in run_in_order(look, portions, workers=workers):
        yield from found


_OPEN: dict[Path, LogIndex] = {}


def open_index(folder: Path) -> LogIndex:
    """The index of a folder of logs, shared within the process while its list of logs stays."""
    folder = Path(folder).absolute()
    index = _OPEN.get(folder)
    if index is None or not index.up_to_date():
        index = _OPEN[folder] = LogIndex(folder)
    return index


def find_frame(log_folder: Path, token: str) -> tuple[Path, int]:
    """Log file and frame number of a token; raises SceneError where no log holds it."""
    return open_index(log_folder).position(token)


def list_logs(folder: Path) -> list[Path]:
    """The logs of a split, by name: the same order on every machine.

    Raises:
        DataError: the folder is missing or holds no log.
    """
    hint = "check OPENSCENE_DATA_ROOT and train_test_split.data_split"
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of logs", hint)
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".pkl")
    if not paths:
        raise DataError(f"{folder}: no log (*.pkl) in this folder", hint)
    return paths


@lru_cache(maxsize=1)
def rules() -> str:
    """Digest of the code that reads and checks logs: what other code found is not believed."""
    digest = hashlib.sha256(str(np.__version__).encode())
    reader = sorted(Path(unpickle.__file__).parent.glob("*.py"))
    for path in [*reader, *(Path(__file__).with_name(name) for name in _CHECKS)]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _folder_stamp(folder: Path) -> tuple[int, int, int] | None:
    """What changes with the folder's list of files; None where it is missing or just changed."""
    try:
        stat = folder.stat()
    except OSError:
        return None
    if time.time_ns() - stat.st_mtime_ns < _SETTLED_NS:
        return None
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns


def _default_store(folder: Path) -> Path:
    digest = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
    return cache_home() / "log_index" / f"{folder.name}-{digest}.json"

"""Scenarios over NAVSIM logs: pieces of a split's logs, one after the other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reworld_agent.closed_loop.kinds import SECONDS
from reworld_agent.closed_loop.replay.frames import FRAME, HISTORY
from reworld_agent.closed_loop.replay.world import NEAR, LogWorld
from reworld_agent.core.errors import DataError
from reworld_agent.core.records.file_hashes import file_hashes
from reworld_agent.scenes.log_index import LogEntry, open_index
from reworld_agent.scenes.maps.city import city_map_path
from reworld_agent.scenes.splits import DataRoots
from reworld_agent.scenes.types import SensorConfig

LOGGED = "log"  # the kind of these scenarios
LEAST_FRAMES = 8  # after its start that a piece has: one window of 4 s


@dataclass(frozen=True)
class LogScenario:
    """What is driven: a log from one of its frames on.

    Attributes:
        name: unique among scenarios of a split: the log's, and the number of the frame.
        town: the city, as the log names it.
        log, start: the file, and the frame at which the ego becomes free.
        maps_root: folder of the city maps; blobs: folder that the image paths start from.
        seconds: how long it is driven, where the log does not end before.
        near: m from the logged ego within which logged pictures count as true.
        source: hash of the log and of its city's map.
    """

    name: str
    town: str
    log: Path
    start: int
    maps_root: Path
    blobs: Path
    seconds: float
    near: float
    source: str
    kind: str = LOGGED
    difficulty: int = 0

    def world(self, sensors: SensorConfig, recorded: bool) -> Any:
        """What is driven: a `LogWorld`, or what drives like one; raises what LogWorld does."""
        return self.log_world(sensors, recorded)

    def log_world(self, sensors: SensorConfig, recorded: bool) -> LogWorld:
        """The log with a free ego; raises what LogWorld does."""
        return LogWorld(
            self.log,
            self.start,
            self.maps_root,
            self.seconds,
            sensors,
            self.blobs,
            self.near,
            recorded,
        )


def of_logs(
    roots: DataRoots, count: int, seconds: float = SECONDS, near: float = NEAR
) -> list[LogScenario]:
    """At most `count` scenarios of a split: the first piece of every log, then every second one.

    A log is cut into pieces of `seconds`, the first from its fourth frame on; what is left at its
    end counts where it is 4 s or longer.

    Args:
        roots: of the split.
        count: of scenarios.
        seconds, near: of each, see LogScenario.

    Raises:
        DataError: the folder has no logs, a log or its city's map cannot be read, or none is long
            enough.
    """
    index, length = open_index(roots.logs), max(round(seconds / FRAME), 1)
    found: list[LogScenario] = []
    turn, left = 0, list(index.paths)
    while left and len(found) < count:
        longer = []
        for path in left:
            entry, start = index.entry(path), HISTORY - 1 + turn * length
            if len(entry.tokens) - 1 - start < min(LEAST_FRAMES, length):
                continue
            longer.append(path)
            found.append(scenario_of(roots, entry, start, seconds, near))
            if len(found) == count:
                break
        turn, left = turn + 1, longer
    index.keep()
    if not found:
        least = (HISTORY + min(LEAST_FRAMES, length)) * FRAME
        message = f"{roots.logs}: none of {len(index.paths)} logs is {least:g} s long"
        raise DataError(message, "a drive takes 4 frames of history, and 4 s after them")
    return found


def scenario_of(
    roots: DataRoots, entry: LogEntry, start: int, seconds: float, near: float
) -> LogScenario:
    """The scenario of a log from a frame on; see LogScenario."""
    return LogScenario(
        f"{entry.path.stem}-{start:04d}",
        entry.cities[0] if entry.cities else "",
        entry.path,
        start,
        roots.maps_root,
        roots.sensor_blobs,
        seconds,
        near,
        _source(entry, roots.maps_root),
    )


def _source(entry: LogEntry, maps_root: Path) -> str:
    """The hash of a log and of the maps that it is judged on; raises DataError."""
    digest = hashlib.sha256(entry.reading.sha256.encode())
    maps = [city_map_path(maps_root, city) for city in entry.cities]
    for found in file_hashes(maps_root, maps):
        digest.update(found.encode())
    return digest.hexdigest()

"""An index of made-up clips: what it takes on disk and in memory, and how fast it opens."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tqdm import tqdm

from reworld_agent.clips.index import read_index, write_rows
from reworld_agent.clips.kinematics import make_track, motion_at
from reworld_agent.clips.table.mapped import index_cache
from reworld_agent.clips.table.rows import ROWS

Row = dict[str, Any]
Array = NDArray[Any]
STRIDE = 12  # frames from clip to clip
_FPS = 8.0
_CLIPS = 1000  # of a drive
_READ = 2000  # rows that are read again, in any order


def index_rows(folder: Path, clips: int, frames: int) -> Iterator[Row]:
    """What an index of so many clips takes; it and its tables are written below `folder`."""
    path = folder / "index.parquet"
    start = time.perf_counter()
    drives = tqdm(made_up_rows(clips, frames), "writing clips", -(-clips // _CLIPS), unit="drive")
    write_rows(path, drives, folder, lambda: {"source": "made up"})
    yield _row("written", "s", time.perf_counter() - start)
    yield _row("parquet file", "bytes a clip", path.stat().st_size / clips)
    for name in ("first opened", "opened again"):
        found = _in_a_process(path)
        yield _row(name, "s", found.pop("seconds"))
    tables = sum(file.stat().st_size for file in index_cache(path).glob("*.arrow"))
    yield _row("tables in the cache", "bytes a clip", tables / clips)
    for what, (unit, value) in found.items():
        yield _row(what, unit, value)


def _row(what: str, unit: str, value: float) -> Row:
    return {"part": "index", "what": what, "value": value, "unit": unit}


def made_up_rows(clips: int, frames: int) -> Iterator[pa.Table]:
    """Tables with the schema ROWS: drives of a thousand clips each, images at 8 Hz."""
    for drive, first in enumerate(range(0, clips, _CLIPS)):
        yield _drive(f"2021.07.01.08.00.00_veh-{drive:05d}", min(_CLIPS, clips - first), frames)


@lru_cache(maxsize=2)
def _motion(clips: int, frames: int) -> tuple[Array, Array, dict[str, pa.Array]]:
    """Of any drive: frames [R, T] of its clips, the time of each, and how the ego moves in them.

    All drives are driven alike: to make up each clip's own motion would take longer than the index.
    """
    count = (clips - 1) * STRIDE + frames
    seconds = np.arange(count) / _FPS
    stamps = (seconds * 1e6).astype(np.int64)
    heading = 0.3 * np.sin(seconds / 20)
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * (8 + np.sin(seconds))[:, None]
    poses = np.column_stack([np.cumsum(steps / _FPS, axis=0), heading])
    track = make_track(stamps, poses)
    assert track is not None
    places = np.arange(clips)[:, None] * STRIDE + np.arange(frames)
    motions = [motion_at(track, stamps[row]) for row in places]
    return places, stamps, {n: _lists(np.stack([one[n] for one in motions])) for n in motions[0]}


def _drive(name: str, clips: int, frames: int) -> pa.Table:
    places, stamps, motions = _motion(clips, frames)
    files = np.array([f"sensor_blobs/{name}/CAM_F0/{k:08x}.jpg" for k in range(len(stamps))])
    columns: dict[str, Any] = {
        **dict.fromkeys(("kind",), ["images"] * clips),
        **{n: [value] * clips for n, value in (("source", "made up"), ("camera", "CAM_F0"))},
        **{n: [value] * clips for n, value in (("split", "train"), ("licence", "none"))},
        **{n: [value] * clips for n, value in (("scene", name), ("video", ""))},
        **{n: [value] * clips for n, value in (("fps", _FPS), ("frames", frames))},
        "clip_id": [f"{name}_CAM_F0_{k * STRIDE:05d}" for k in range(clips)],
        "start_s": np.arange(clips) * STRIDE / _FPS,
        "files": _lists(files[places]),
        "indices": _lists(places),
        "timestamps": _lists(stamps[places]),
        "checksum": [f"sizes:{k:016x}" for k in range(clips)],
        **motions,
    }
    return pa.table({n: columns[n] for n in ROWS.names}).cast(ROWS)


def _lists(values: np.ndarray) -> pa.Array:
    """An array [R, T] as R lists."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))


def _in_a_process(path: Path) -> dict[str, Any]:
    """What opening an index and reading some of its rows takes, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_open, args=(path, sending))
    child.start()
    sending.close()
    found: dict[str, Any] = receiving.recv()
    child.join()
    return found


def _open(path: Path, sending: Any) -> None:
    before, own_before = _memory(), _memory("RssAnon")
    start = time.perf_counter()
    index = read_index(path)
    opened = time.perf_counter() - start
    open_memory = _memory()
    chosen = index.split("train")
    of_split = _memory()
    numbers = np.random.default_rng(0).integers(0, len(chosen), _READ)
    start = time.perf_counter()
    for number in numbers.tolist():
        chosen.row(number)
    reading = time.perf_counter() - start
    clips = len(index)
    sending.send(
        {
            "seconds": opened,
            "a clip in memory, its frames mapped": ("bytes", index.store.row_bytes),
            "a process grows by, opened": ("MB", (open_memory - before) / 1e6),
            "a process grows by, one split of it": ("MB", (of_split - before) / 1e6),
            f"a process grows by, {_READ} rows read": ("MB", (_memory() - before) / 1e6),
            "the same": ("bytes a clip", (_memory() - before) / clips),
            "of it without mapped files, which other processes share and the system takes back": (
                "MB",
                (_memory("RssAnon") - own_before) / 1e6,
            ),
            "a row is read in": ("ms", 1e3 * reading / _READ),
        }
    )


def _memory(kind: str = "VmRSS") -> int:
    """Resident bytes of this process; of VmRSS are mapped files, of RssAnon none."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(kind)))

"""Clips as three tables: what a recording's clips share, a short row a clip, and their frames.

Clips of one drive overlap: a frame is in ten of them. So it is kept once, and a clip says where its
first one lies. Its poses are kept as the first clip of its row of clips sees them.

Shapes: T frames.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reworld_agent.clips.kinematics import COMMANDS
from reworld_agent.clips.table.rows import COLUMNS, MOTION, NUMBERS, POSE, ROWS, SHARED
from reworld_agent.scenes.geometry import relative_poses

RECORDINGS = pa.schema([ROWS.field(name) for name in SHARED])
CLIPS = pa.schema(
    [
        *(("clip_id", pa.string()), ("start_s", pa.float64()), ("checksum", pa.string())),
        ("recording", pa.int32()),
        ("first", pa.int64()),  # its first frame
        ("moves", pa.bool_()),  # its motion is known
        ("begins", pa.bool_()),  # its poses are those of its frames, as they stand
    ]
)
FRAMES = pa.schema(
    [
        *(("file", pa.string()), ("index", pa.int64()), ("timestamp", pa.int64())),
        *((name, pa.float64()) for name in (*POSE, *NUMBERS)),
        ("command", pa.int8()),
    ]
)
FOLDERS = pa.schema([("folder", pa.string())])  # of the frames' files
SCHEMAS = {"recordings": RECORDINGS, "clips": CLIPS, "frames": FRAMES, "folders": FOLDERS}


@dataclass(frozen=True)
class ClipStore:
    """The tables, of the schemas above; in memory, or mapped from files."""

    recordings: pa.Table
    clips: pa.Table
    frames: pa.Table
    folders: pa.Table

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def row_bytes(self) -> float:
        """Bytes of a clip in the two tables that are read all over; frames are read as needed."""
        return (self.clips.nbytes + self.recordings.nbytes) / max(1, len(self))

    def row(self, number: int) -> dict[str, Any]:
        """A row with COLUMNS; those of motion are None where it is not known."""
        clip = {name: self.clips[name][number].as_py() for name in CLIPS.names}
        shared = {name: self.recordings[name][clip["recording"]].as_py() for name in SHARED}
        frames = self.frames.slice(clip["first"], shared["frames"])
        found: dict[str, Any] = {**shared, **{n: clip[n] for n in ("clip_id", "start_s")}}
        found["checksum"] = clip["checksum"]
        found["files"] = [] if shared["video"] else frames["file"].to_pylist()
        found["indices"] = frames["index"].to_numpy()
        found["timestamps"] = frames["timestamp"].to_numpy()
        found |= _motion(frames, clip["begins"]) if clip["moves"] else dict.fromkeys(MOTION)
        return {name: found[name] for name in COLUMNS}

    def files(self, number: int) -> list[str]:
        """The files of a clip, relative to the root."""
        shared = self.clips["recording"][number].as_py()
        video = self.recordings["video"][shared].as_py()
        if video:
            return [video]
        count = self.recordings["frames"][shared].as_py()
        names: list[str] = self.frames["file"].slice(self.first(number), count).to_pylist()
        return names

    def first(self, number: int) -> int:
        """The place of a clip's first frame."""
        place: int = self.clips["first"][number].as_py()
        return place

    def recording_numbers(self) -> NDArray[np.int32]:
        """Number [clips] of each clip's recording."""
        numbers: NDArray[np.int32] = self.clips["recording"].to_numpy()
        return numbers


def _motion(frames: pa.Table, begins: bool) -> dict[str, Any]:
    poses = np.stack([frames[name].to_numpy() for name in POSE], axis=1)
    if not begins:
        poses = relative_poses(poses[0].copy(), poses)
    found: dict[str, Any] = {name: poses[:, k] for k, name in enumerate(POSE)}
    found |= {name: frames[name].to_numpy() for name in NUMBERS}
    found["command"] = [COMMANDS[number] for number in frames["command"].to_pylist()]
    return found


def in_memory(pieces: Iterable[tuple[str, pa.Table]]) -> ClipStore:
    """A store of tables that come in pieces, each with the name of its table."""
    tables: dict[str, list[pa.Table]] = {name: [s.empty_table()] for name, s in SCHEMAS.items()}
    for name, piece in pieces:
        tables[name].append(piece)
    return ClipStore(**{name: pa.concat_tables(parts) for name, parts in tables.items()})

"""The embedded town's clips: folders of JPEG files at 8 Hz, each with an index.parquet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reworld_agent.clips.kinematics import COMMANDS, make_track
from reworld_agent.clips.recording import Recording, Refused, each, in_time_order, relative
from reworld_agent.clips.sources.protocol import Options
from reworld_agent.core.errors import DataError
from reworld_agent.core.result_tables import read_frame

LICENCE = "Apache-2.0"
_MAKE = "make them: reworld synth data_split={} clips=true (see root=)"
_SPLIT = "town_train"
_VERSION = re.compile(r"^town\d*_")


class Town:
    """The embedded town's clips."""

    fps = 8.0
    options = ("part",)

    def recordings(self, root: Path, options: Options) -> Iterator[Recording | Refused]:
        """One recording a drive; its split is that of the folder (town6_train: train)."""
        tables = sorted((root / "clips").glob(f"{options.part or '*'}/*/index.parquet"))
        if not tables:
            raise DataError(
                f"{root}: holds no clips of the town (clips/{options.part or '<split>'}/<drive>)",
                _MAKE.format(options.part or _SPLIT),
            )
        yield from each(
            tables, lambda table: _recording(root, table), lambda table: relative(table, root)
        )


def _recording(root: Path, path: Path) -> Recording:
    make = _MAKE.format(path.parent.parent.name)
    try:
        rows = read_frame(path, make)
        stamps = rows["timestamp"].to_numpy(np.int64)
        poses = rows[["x", "y", "heading"]].to_numpy(np.float64)
        command = np.array([COMMANDS.index(word) for word in rows["command"]])
        speed = rows["speed"].to_numpy(np.float64)
    except (TypeError, ValueError, KeyError) as error:
        raise DataError(f"{path} is not an index of a clip ({error})", make) from error
    folder = path.parent
    files = [relative(folder / name, root) for name in rows["file"]]
    track = make_track(stamps, poses, speed=speed, command=command)
    name = f"{folder.parent.name}/{folder.name}"
    sorted_stamps, kept, notes = in_time_order(stamps, files, name)
    return Recording(
        source="town",
        scene=folder.name,
        camera="CAM_F0",
        stamps=sorted_stamps,
        files=kept,
        track=track,
        licence=LICENCE,
        split=_VERSION.sub("", folder.parent.name),
        notes=notes,
    )

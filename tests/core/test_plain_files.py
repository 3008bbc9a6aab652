"""A pipe among files is refused where it would be opened: nobody may ever write into it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reworld_agent.clips.video_file import VideoFile
from reworld_agent.core.errors import DataError
from reworld_agent.core.records import read_record, read_yaml
from reworld_agent.scenes.logs import load_log
from reworld_agent.scenes.sensors import read_image

READERS: dict[str, Callable[[Path], Any]] = {
    "a.json": lambda path: read_record(path, dict[str, int], "delete it"),
    "a.yaml": read_yaml,
    "a.mp4": VideoFile,
    "a.jpg": read_image,
    "a.pkl": load_log,
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_no_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises((DataError, OSError), match=r"no plain file|no such file"):
        READERS[name](path)

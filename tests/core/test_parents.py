"""Processes end with their parent, and a folder has one writer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.guards.parents import end_with_starter
from reworld_agent.core.guards.writers import sole_writer

PARENT = """
import sys, time
from reworld_agent.core.guards.parents import ending_with_us
from reworld_agent.core.workers import run_tasks
from tests.core import test_parents
if __name__ == "__main__":
    kind, folder = sys.argv[1:]
    if kind == "pool":
        list(run_tasks(test_parents.note_and_wait, [folder] * 2, "processes", 2))
    elif kind == "loader":
        from torch.utils.data import DataLoader
        from reworld_agent.core.guards.parents import begin_loading
        items = test_parents.Waiting(folder)
        list(DataLoader(items, num_workers=2, worker_init_fn=begin_loading))
    elif kind == "cluster":
        import subprocess
        from reworld_agent.core.guards.clusters import ending_with_this_process
        code = "from tests.core import test_parents as t; t.note_and_wait(%r)" % folder
        with ending_with_this_process():
            command = [sys.executable, "-c", code]
            children = [subprocess.Popen(command, start_new_session=True) for _ in "ab"]
        [child.wait() for child in children]
    else:
        import subprocess
        code = "from tests.core import test_parents as t; t.as_a_command(%r)" % folder
        command = [sys.executable, "-c", code]
        children = [subprocess.Popen(command, env=ending_with_us()) for _ in "ab"]
        [child.wait() for child in children]
"""


def note_and_wait(folder: str) -> None:
    """Say who this process is, and work for a minute."""
    (Path(folder) / str(os.getpid())).write_text("")
    time.sleep(60)


def as_a_command(folder: str) -> None:
    end_with_starter()
    note_and_wait(folder)


class Waiting:
    """A data set whose items never come."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __len__(self) -> int:
        return 2

    def __getitem__(self, number: int) -> None:
        note_and_wait(self.folder)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    "kind", ["pool", "commands", "cluster", pytest.param("loader", marks=pytest.mark.slow)]
)
def test_no_process_outlives_a_parent_that_is_killed(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "parent.py"
    file.write_text(PARENT)
    children = tmp_path / "children"
    children.mkdir()
    command = [sys.executable, str(file), kind, str(children)]
    parent = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    while len(list(children.iterdir())) < 2:
        assert parent.poll() is None
        time.sleep(0.02)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    end = time.monotonic() + 5.0
    known = [int(path.name) for path in children.iterdir()]
    while any(map(_lives, known)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not [pid for pid in known if _lives(pid)]


def test_the_second_writer_of_a_folder_is_told_who_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with sole_writer(folder):
        with pytest.raises(ConfigError) as caught, sole_writer(folder):
            pass
        with sole_writer(folder, "a.parquet"), sole_writer(folder, "b.parquet"):
            pass  # files beside the run
    error = caught.value
    assert f"{folder} is being written by another process: pid {os.getpid()} on " in error.message
    assert ", since 20" in error.message and "wait until it has ended" in str(error.hint)
    with sole_writer(folder):
        pass


def test_a_writer_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path\n"
        "from reworld_agent.core.guards.writers import sole_writer\n"
        f"with sole_writer(Path({str(tmp_path)!r})): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    assert json.loads((tmp_path / ".writer.json").read_text())["pid"]  # what it left behind
    with sole_writer(tmp_path):
        assert json.loads((tmp_path / ".writer.json").read_text())["pid"] == os.getpid()


def test_processes_of_one_training_share_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sole_writer(tmp_path):
        monkeypatch.setenv("LOCAL_RANK", "1")
        with sole_writer(tmp_path):
            pass

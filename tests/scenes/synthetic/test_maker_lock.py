"""Several real processes that make the town in one folder; one that is killed."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reworld_agent.scenes.synthetic import SplitRoots, ensure_split
from reworld_agent.scenes.synthetic.maker_lock import LOCK, UNFINISHED, only_maker
from reworld_agent.scenes.synthetic.store import settle

SPLIT, SCENES = "town_test", 30  # two drives
PATIENCE_S = 60.0

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def half(town: SplitRoots, tmp_path: Path) -> Path:
    """The town without its second drive and one map: something is left to make."""
    root = tmp_path / "town"
    shutil.copytree(town.data_root, root)
    (root / "manifests" / f"{SPLIT}.json").unlink()
    next((root / "maps").glob("*/*/map.gpkg")).unlink()
    log = sorted((root / "navsim_logs" / SPLIT).iterdir())[1]
    shutil.rmtree(root / "sensor_blobs" / SPLIT / log.stem)
    log.unlink()
    return root


@pytest.fixture
def start(half: Path) -> Iterator[Start]:
    """Starts a process that makes what is missing in `half`."""
    started: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        words = [f"data_split={SPLIT}", f"scenes={SCENES}", "workers=1", f"output_dir={half}"]
        process = subprocess.Popen(
            [sys.executable, "-m", "reworld_agent.cli.main", "synth", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def content(root: Path) -> dict[Path, bytes]:
    """All files but the maps', whose SQLite files hold the time at which they were written."""
    files = [path for path in root.rglob("*") if path.is_file() and path.suffix != ".gpkg"]
    return {path.relative_to(root): path.read_bytes() for path in files}


def assert_whole(root: Path, town: SplitRoots) -> None:
    assert content(root) == content(town.data_root)
    assert len(list((root / "maps").glob("*/*/map.gpkg"))) == 4
    assert not list(root.glob(f"{UNFINISHED}*")) and not list(root.rglob("*.part*"))


def test_two_processes_make_one_town(town: SplitRoots, half: Path, start: Start) -> None:
    processes = [start(), start()]
    for process in processes:
        output, errors = process.communicate(timeout=2 * PATIENCE_S)
        assert process.returncode == 0, errors
        assert f"OPENSCENE_DATA_ROOT={half}" in output
    assert_whole(half, town)


def test_the_second_waits_and_leaves_the_first_ones_files_alone(half: Path, start: Start) -> None:
    with only_maker(half):
        mine = half / UNFINISHED / "mine.part0"
        mine.mkdir(parents=True)
        other = start()
        assert other.stderr is not None
        assert "waiting for another process" in other.stderr.readline()
        assert mine.is_dir() and other.poll() is None
        assert len(list((half / "navsim_logs" / SPLIT).iterdir())) == 1
        other.kill()
    assert not mine.exists()


def test_a_killed_maker_is_followed_by_another(town: SplitRoots, half: Path, start: Start) -> None:
    killed = start()
    late = time.monotonic() + PATIENCE_S
    while not list((half / UNFINISHED).glob("*/*.jpg")):
        assert killed.poll() is None and time.monotonic() < late
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert list((half / UNFINISHED).glob("*/*.jpg"))
    ensure_split(SPLIT, root=half, scenes=SCENES, progress=False, workers=1)
    assert_whole(half, town)


def test_a_worker_that_outlives_its_maker_moves_nothing_to_its_place(tmp_path: Path) -> None:
    part, folder = tmp_path / UNFINISHED / "images.part1", tmp_path / "images"
    part.mkdir(parents=True)
    (part / "0.jpg").write_bytes(b"whole")
    with only_maker(tmp_path):
        pass
    with pytest.raises(FileNotFoundError):
        settle(part, folder)
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_a_disk_without_locks_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_lock(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_lock)
    others = tmp_path / UNFINISHED / "others.part0"
    others.mkdir(parents=True)
    with only_maker(tmp_path):
        pass
    assert others.is_dir()

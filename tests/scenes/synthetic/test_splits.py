"""`ensure_split`: complete or absent, never half; made once; clear about what it cannot do."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from reworld_agent.cli.main import main
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.records import read_record, write_record
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.synthetic import SplitRoots, default_root, ensure_split
from reworld_agent.scenes.synthetic.drive_files import write_drive
from reworld_agent.scenes.synthetic.splits import TownManifest


def stamps(root: Path) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def copy(town: SplitRoots, tmp_path: Path) -> Path:
    """A copy of the town that a test may spoil."""
    shutil.copytree(town.data_root, tmp_path / "town")
    return tmp_path / "town"


def test_only_logs_lie_among_the_logs(town: SplitRoots) -> None:
    folder = town.data_root / "navsim_logs" / town.data_split
    assert {p.suffix for p in folder.iterdir()} == {".pkl"}
    assert sorted(p.name for p in (town.data_root / "navsim_logs").iterdir()) == ["town_test"]


def test_a_second_call_touches_nothing(town: SplitRoots) -> None:
    before = stamps(town.data_root)
    again = ensure_split("town_test", root=town.data_root, scenes=30, progress=False)
    assert again == town
    assert stamps(town.data_root) == before


def test_another_camera_is_added_alone(copy: Path) -> None:
    before = stamps(copy)
    ensure_split("town_test", root=copy, cameras=("CAM_B0",), scenes=30, progress=False, workers=1)
    after = stamps(copy)
    changed = {p for p in after if after[p] != before.get(p)}
    assert {p.parent.name for p in changed if p.suffix == ".jpg"} == {"CAM_B0"}
    assert all(p.suffix == ".jpg" or p.name == "town_test.json" for p in changed)


def test_a_run_that_was_killed_is_finished(town: SplitRoots, copy: Path) -> None:
    logs = sorted((copy / "navsim_logs" / "town_test").iterdir())
    logs[1].unlink()
    blobs = copy / "sensor_blobs" / "town_test" / logs[1].stem
    shutil.rmtree(blobs)
    (copy / "manifests" / "town_test.json").unlink()
    half = copy / "unfinished" / "something.part1"
    half.mkdir(parents=True)
    (half / "0.jpg").write_bytes(b"cut")
    ensure_split("town_test", root=copy, scenes=30, progress=False, workers=1)
    theirs = {p.relative_to(town.data_root): p.read_bytes() for p in stamps(town.data_root)}
    ours = {p.relative_to(copy): p.read_bytes() for p in stamps(copy)}
    assert ours == theirs
    assert not half.exists()


def test_a_full_disk_is_named_and_leaves_nothing_half(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = sorted((copy / "navsim_logs" / "town_test").iterdir())
    logs[1].unlink()
    (copy / "manifests" / "town_test.json").unlink()

    def full(self: Path, data: bytes) -> int:
        if ".pkl" not in self.name:
            return original(self, data)
        original(self, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    original = Path.write_bytes
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(DataError, match=r"No space left.*\n.*free some space"):
            ensure_split("town_test", root=copy, scenes=30, progress=False, workers=1)
    assert sorted((copy / "navsim_logs" / "town_test").iterdir()) == logs[:1]
    assert not list(copy.rglob("*.pkl.part*"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(DataError, match="REWORLD_HOME"):
        ensure_split("town_test", root=blocked / "town", scenes=1, progress=False)


def test_a_folder_of_another_version_is_refused(copy: Path) -> None:
    manifest = copy / "manifests" / "town_test.json"
    known: TownManifest = read_record(manifest, TownManifest, "")
    write_record(manifest, replace(known, version=f"0{known.version}"))
    with pytest.raises(DataError, match="another town"):
        ensure_split("town_test", root=copy, scenes=30, progress=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "town_moon"}, "town_moon"),
        ({"split": "town_test", "cameras": ("CAM_X",)}, "CAM_X"),
        ({"split": "town_test", "scenes": 0}, "asks for nothing"),
    ],
)
def test_mistakes_are_named(arguments: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        ensure_split(root=tmp_path, progress=False, **arguments)


def test_default_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWORLD_HOME", "/somewhere")
    assert default_root().is_relative_to("/somewhere/town")


def test_built_in_host_reads_every_scene(town: SplitRoots) -> None:
    loader = SceneLoader(
        town.data_root / "navsim_logs" / town.data_split,
        town.data_root / "sensor_blobs" / town.data_split,
        SceneFilter(num_history_frames=4, num_future_frames=10, frame_interval=1, has_route=True),
    )
    assert len(loader) == 2 * (36 - 13)


def test_clips_have_an_index_that_pandas_reads(copy: Path) -> None:
    write_drive("town_test", 0, copy, (), True)
    (folder,) = (copy / "clips" / "town_test").iterdir()
    index = pd.read_parquet(folder / "index.parquet")
    assert set(index.columns) >= {"file", "timestamp", "x", "y", "heading", "speed", "command"}
    assert set(index.timestamp.diff().dropna()) == {125_000}
    assert len(index) == 35 * 4 + 1
    assert all((folder / name).is_file() for name in index.file)


def test_command_line_prints_the_roots(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for root, notices in (("output_dir", 0), ("root", 1)):
        assert main(["synth", "data_split=town_test", "scenes=30", f"{root}={copy}"]) == 0
        said = capsys.readouterr()
        assert f"export OPENSCENE_DATA_ROOT={copy}" in said.out
        assert f"export NUPLAN_MAPS_ROOT={copy / 'maps'}" in said.out
        assert said.err.count("notice: root is now output_dir=") == notices


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data_split=town_tset"], "did you mean data_split=town_test?"),
        (["nonsense"], "cannot read nonsense"),
        ([], "data_split= is missing"),
        (["data_split=town_test", "scenes=9", "drives=2"], "both say how much"),
        (["data_split=town_test", "cameras=[all,CAM_F0]"], "all and none stand alone"),
        (["data_split=town_test", "cameras=CAM_F1"], "did you mean cameras=CAM_"),
        (["data_split=town_test", "clips=maybe"], "true or false"),
        (["data_split=town_test", "scenes=0"], "at least 1"),
    ],
)
def test_what_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["synth", *arguments]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 2 and said in " ".join(error)

"""Folders of videos as people have them: what can be read is indexed, the rest is named."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest

from reworld_agent.cli.main import main
from reworld_agent.clips.decode import open_reader, read_frames
from reworld_agent.clips.index import read_index
from reworld_agent.core.errors import DataError
from reworld_agent.video_metrics.clip_sets import list_clips
from tests.clips.media import frame, level, write_images, write_video

FRAMES = [frame(number) for number in range(20)]


def _stream(path: Path, codec: str, form: str | None = None, **options: int) -> Path:
    """A video in any container, or in none, with several groups of pictures."""
    with av.open(str(path), "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=20)
        stream.height, stream.width = FRAMES[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {key: str(value) for key, value in options.items()}
        for number, image in enumerate(FRAMES):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good videos and a drive of images among what else lies in such folders."""
    root = tmp_path_factory.mktemp("videos")
    good = write_video(root / "good.mp4", FRAMES)
    (root / "deep").mkdir()
    write_video(root / "deep" / "other.mp4", FRAMES)
    (root / "cut.mp4").write_bytes(good.read_bytes()[:600])
    (root / "._good.mp4").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(80))
    (root / "empty.mp4").touch()
    (root / "folder.mp4").mkdir()
    (root / "link.mp4").symlink_to(root / "nowhere.mp4")
    (root / "text.mp4").write_text("<html>404</html>")
    (root / "lfs.mp4").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (root / "noise.ts").write_bytes(np.random.default_rng(0).bytes(4000))
    (root / "poses.csv").write_text("a")
    drive = write_images(root / "drive", FRAMES[:4])
    (drive / "._0.jpg").write_bytes(b"\x00\x05\x16\x07")
    (drive / "timestamps.csv").write_text("file,timestamp\n0.jpg,5\n")
    return root


def test_good_ones_are_indexed_and_bad_ones_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "index.parquet"
    words = ["video", "index", "source=folder", f"root={folder}", "frames=4", f"output={output}"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "2 recordings" in printed and "refused: 9 of 11 recordings" in printed
    assert set(read_index(output).rows["scene"]) == {"good", "deep/other"}
    refused = pd.read_csv(tmp_path / "index.refused.csv").set_index("name")["reason"]
    for name, reason in {
        "cut.mp4": "cannot be opened as a video",
        "._good.mp4": "macOS",
        "empty.mp4": "it is empty",
        "folder.mp4": "it is a folder",
        "link.mp4": "No such file",
        "text.mp4": "it is a text",
        "lfs.mp4": "Git LFS",
        "noise.ts": "cannot be opened|no video",
        "drive": "has no row for 1.jpg",
    }.items():
        assert pd.Series(refused[name]).str.contains(reason).all(), refused[name]
    assert "text.mp4: " in printed and "index.refused.csv, what was refused" in printed
    only = tmp_path / "only"
    shutil.copytree(folder / "deep", only)
    assert main([*words[:3], f"root={only}", *words[4:]]) == 0
    assert not (tmp_path / "index.refused.csv").exists()


def test_none_is_good(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("empty.mp4", "text.mp4"):
        shutil.copy(folder / name, tmp_path)
    words = ["video", "index", "source=folder", f"root={tmp_path}", f"output={tmp_path / 'i'}"]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "refused: 2 of 2" in said and "empty.mp4" in said and "next: fix" in said


def test_one_database_of_several_is_damaged(tmp_path: Path) -> None:
    from reworld_agent.clips.recording import Refused
    from reworld_agent.clips.sources.nuplan import NuPlan
    from reworld_agent.clips.sources.protocol import Options

    (tmp_path / "sensor_blobs").mkdir()
    (tmp_path / "a.db").write_bytes(b"no database")
    with sqlite3.connect(tmp_path / "b.db") as base:
        base.execute("CREATE TABLE image (filename_jpg, timestamp, camera_token, ego_pose_token)")
        base.execute("CREATE TABLE camera (token, channel)")
        names = "token, timestamp, x, y, qw, qx, qy, qz, vx, acceleration_x, angular_rate_z"
        base.execute(f"CREATE TABLE ego_pose ({names})")
    first, second = NuPlan().recordings(tmp_path, Options())
    assert isinstance(first, Refused) and first.name == "a.db"
    assert not isinstance(second, Refused) and second.scene == "b"


CONTAINERS = {
    "a.ts": ("libx264", "mpegts", {"g": 6}),
    "hevc.ts": ("libx265", "mpegts", {"g": 6}),
    "open.ts": ("mpeg2video", "mpegts", {"g": 6, "bf": 2}),
    "a.mpg": ("mpeg2video", "mpeg", {"g": 6, "bf": 2}),
    "a.avi": ("mpeg4", "avi", {"g": 6, "bf": 2}),
    "a.flv": ("libx264", "flv", {"g": 6}),
    "a.mkv": ("libx264", "matroska", {"g": 6}),
}
RAW = {
    "a.h264": ("libx264", "h264", {"g": 6}),
    "a.hevc": ("libx265", "hevc", {"g": 6}),
}


@pytest.mark.parametrize("name", [*CONTAINERS, *RAW])
def test_every_frame_of_every_container(name: str, tmp_path: Path) -> None:
    codec, form, options = {**CONTAINERS, **RAW}[name]
    path = _stream(tmp_path / name, codec, form, **options)
    assert len(open_reader(path)) == len(FRAMES)
    whole = read_frames(path)
    assert np.abs(whole[:, 0, 40, 60].astype(int) - [level(k) for k in range(20)]).max() < 8
    for start in (1, 5, 6, 7, 13, 17):
        assert np.array_equal(read_frames(path, start=start, count=3), whole[start : start + 3])
    times = open_reader(path).times
    if name in RAW:
        assert times is None
    else:
        assert times is not None and np.allclose(np.diff(times), 0.05, atol=1e-3)


def test_a_transport_stream_that_starts_in_the_middle(tmp_path: Path) -> None:
    """As it is cut out of a broadcast: what comes before its first key frame has no number."""
    data = _stream(tmp_path / "a.ts", "mpeg2video", "mpegts", g=6, bf=2).read_bytes()
    packets = [data[k : k + 188] for k in range(0, len(data), 188)]
    (tmp_path / "b.ts").write_bytes(b"".join([*packets[:3], *packets[5:]]))
    frames = read_frames(tmp_path / "b.ts")
    assert 10 <= len(frames) <= 20 and abs(int(frames[-1, 0, 40, 60]) - level(19)) < 8


def test_raw_streams_need_a_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _stream(tmp_path / "video.hevc", "libx265", "hevc", g=6)
    words = ["video", "index", "source=folder", f"root={tmp_path}", "frames=4"]
    assert main([*words, f"output={tmp_path / 'i.parquet'}"]) == 1
    assert "declare it with fps=" in capsys.readouterr().err
    assert main([*words, f"output={tmp_path / 'i.parquet'}", "fps=20"]) == 0
    assert "taken to be at 20 fps" in capsys.readouterr().out
    assert len(read_index(tmp_path / "i.parquet")) == 2


def test_a_cut_raw_stream_says_so(tmp_path: Path) -> None:
    path = _stream(tmp_path / "a.hevc", "libx265", "hevc", g=6)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=r"a\.hevc: "):
        read_frames(path)


def test_companion_files_of_macos_are_no_clips_to_score(folder: Path, tmp_path: Path) -> None:
    for name in ("good.mp4", "._good.mp4"):
        shutil.copy(folder / name, tmp_path)
    assert [clip.name for clip in list_clips(tmp_path)] == ["good"]

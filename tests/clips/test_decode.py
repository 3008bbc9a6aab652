"""Reading frames of anything that stores a clip, good and bad."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from reworld_agent.cli.main import main
from reworld_agent.clips.decode import read_frames
from reworld_agent.clips.fit import fit_image
from reworld_agent.clips.stored import Stored, read_range
from reworld_agent.core.errors import ConfigError, DataError, UsageError
from tests.clips.media import frame, levels, write_images, write_video


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    return write_video(path, [frame(k) for k in range(20)], options={"g": "5"})


def test_whole_clip_and_parts(video: Path) -> None:
    clip = read_frames(video)
    assert clip.shape == (20, 3, 48, 64) and clip.dtype == np.uint8
    assert levels(clip) == list(range(20))
    assert levels(read_frames(video, start=7, count=6)) == list(range(7, 13))
    assert clip[3, 0, :, 0].mean() > 240  # red on the left: the channels are RGB


def test_resampled_by_time(video: Path) -> None:
    assert levels(read_frames(video, fps=4)) == list(range(0, 20, 2))
    assert levels(read_frames(video, start=2, count=3, fps=4)) == [4, 6, 8]
    assert levels(read_frames(video, count=4, fps=16)) == [0, 0, 1, 1]


def test_variable_rate(tmp_path: Path) -> None:
    stamps = [0, 125, 375, 400, 500, 1000]  # ms
    path = write_video(tmp_path / "v.mp4", [frame(k) for k in range(6)], stamps=stamps)
    assert levels(read_frames(path)) == list(range(6))
    assert levels(read_frames(path, fps=8)) == [0, 1, 1, 2, 4, 4, 4, 5, 5]


@pytest.mark.parametrize("pix_fmt", ["gray", "yuv420p10le", "yuv420p"])
def test_pixel_formats(tmp_path: Path, pix_fmt: str) -> None:
    path = write_video(tmp_path / "v.mp4", [frame(k) for k in range(5)], pix_fmt=pix_fmt)
    clip = read_frames(path)
    assert clip.shape == (5, 3, 48, 64)
    if pix_fmt == "gray":
        assert (clip[:, 0] == clip[:, 1]).all()
    else:
        assert levels(clip[..., 40:]) == list(range(5))


def test_odd_size(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", [frame(k, 45, 63) for k in range(3)])
    assert read_frames(path).shape == (3, 3, 45, 63)
    assert read_frames(path, size=(32, 32)).shape == (3, 3, 32, 32)


def test_rotated_video_is_turned_upright(tmp_path: Path) -> None:
    images = [frame(k) for k in range(3)]
    upright = read_frames(write_video(tmp_path / "a.mp4", images))
    turned = read_frames(write_video(tmp_path / "b.mp4", images, rotation=90))
    assert turned.shape == (3, 3, 64, 48)
    assert np.abs(turned.astype(int) - np.rot90(upright, 1, (2, 3)).astype(int)).max() <= 1


def test_one_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "one.mp4", [frame(4)])
    assert levels(read_frames(path)) == [4]
    assert levels(read_frames(path, fps=8)) == [4]
    with pytest.raises(DataError, match=r"one\.mp4: has 1 frame; 9 from frame 0"):
        read_frames(path, count=9)


def test_start_beyond_the_end(video: Path) -> None:
    with pytest.raises(DataError, match="has 20 frames"):
        read_frames(video, start=20)


def test_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        container.mux(stream.encode())
    with pytest.raises(DataError, match=r"empty\.mp4"):
        read_frames(path)


def test_no_video_stream(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(DataError, match="has no video stream"):
        read_frames(path)


def _damage(path: Path, start: float, stop: float, value: int = 0x5A) -> None:
    """Overwrite a stretch of the coded frames (the mdat box), in shares of its length."""
    data = bytearray(path.read_bytes())
    body = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4 if data.index(b"moov") > body else len(data)
    first, last = (int(body + share * (end - body)) for share in (start, stop))
    data[first:last] = bytes([value]) * (last - first)
    path.write_bytes(data)


def test_damaged_in_the_middle(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), dtype=np.uint8)
    path = write_video(tmp_path / "v.mp4", list(noise), options={"g": "5", "bf": "0"})
    _damage(path, 0.5, 0.55)
    with pytest.raises(DataError, match=r"v\.mp4: .*frame (8|9|10|11)\b"):
        read_frames(path)
    assert len(read_frames(path, count=5)) == 5  # what lies before is whole


def test_cut_short(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), dtype=np.uint8)
    path = write_video(tmp_path / "v.mp4", list(noise))
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(DataError, match=r"v\.mp4: cannot be opened as a video"):
        read_frames(path)


def test_missing_and_not_a_video(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such clip"):
        read_frames(tmp_path / "nothing.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(DataError, match=r"text\.mp4: cannot be opened"):
        read_frames(tmp_path / "text.mp4")


def test_images_in_natural_order(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "clip", [frame(k) for k in range(12)])
    assert levels(read_frames(folder)) == list(range(12))
    assert levels(read_frames(folder, fps=8)) == list(range(12))  # no times: already at 8


def test_images_with_times(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "clip", [frame(k) for k in range(6)])
    rows = [f"{k}.jpg,{1_600_000_000_000_000 + 62_500 * k}" for k in range(6)]
    (folder / "timestamps.csv").write_text("file,timestamp\n" + "\n".join(rows))
    assert levels(read_frames(folder, fps=8)) == [0, 2, 4]
    rows[2], rows[3] = rows[3].replace("3.jpg", "2.jpg"), rows[2].replace("2.jpg", "3.jpg")
    (folder / "timestamps.csv").write_text("file,timestamp\n" + "\n".join(rows))
    with pytest.raises(DataError, match=r"timestamps\.csv: the timestamp of 3\.jpg is not after"):
        read_frames(folder, fps=8)


@pytest.mark.parametrize("text", ["", "file,timestamp\n0.jpg,soon\n1.jpg,later\n"])
def test_a_table_of_times_that_is_none(tmp_path: Path, text: str) -> None:
    folder = write_images(tmp_path / "clip", [frame(k) for k in range(2)])
    (folder / "timestamps.csv").write_text(text)
    with pytest.raises(DataError, match=r"timestamps\.csv: (cannot be read|a timestamp is no)"):
        read_frames(folder)
    (folder / "timestamps.csv").rename(folder / "index.parquet")
    with pytest.raises(DataError, match=r"index\.parquet: cannot be read"):
        read_frames(folder)


def test_images_that_are_bad(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "clip", [frame(k) for k in range(4)])
    whole = (folder / "2.jpg").read_bytes()
    (folder / "2.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"2\.jpg: the image is damaged"):
        read_frames(folder)
    Image.fromarray(frame(2, 32, 32)).save(folder / "2.jpg")
    with pytest.raises(DataError, match=r"2\.jpg: the image is 32x32, the first of its clip 64x48"):
        read_frames(folder)
    assert read_frames(folder, size=(16, 16)).shape == (4, 3, 16, 16)
    with pytest.raises(DataError, match="holds no frames"):
        read_frames(tmp_path)


def test_grey_and_16_bit_and_turned_images(tmp_path: Path) -> None:
    Image.fromarray(frame(1)[..., 1]).save(tmp_path / "0.png")
    cv2.imwrite(str(tmp_path / "1.png"), frame(1)[..., 1].astype(np.uint16) * 257)
    clip = read_frames(tmp_path)
    assert levels(clip) == [1, 1] and (clip[0] == clip[1]).all()
    turned = tmp_path / "turned"
    turned.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    Image.fromarray(frame(1)).save(turned / "0.jpg", exif=exif)
    assert read_frames(turned).shape == (1, 3, 64, 48)


def test_arrays(tmp_path: Path) -> None:
    path = tmp_path / "clip.npy"
    values = np.linspace(-1, 1, 4 * 3 * 8 * 8, dtype=np.float32).reshape(4, 3, 8, 8)
    np.save(path, values)
    with pytest.raises(DataError, match="nothing says which numbers are black and white"):
        read_frames(path)
    signed = Stored(range=(-1.0, 1.0))
    clip = read_frames(path, stored=signed)
    assert clip.shape == (4, 3, 8, 8) and clip.min() == 0 and clip.max() == 255
    for low, high in ((0.0, 1.0), (0.0, 255.0)):
        np.save(path, (values.astype(np.float64) + 1) / 2 * (high - low) + low)
        assert (read_frames(path, stored=Stored(range=(low, high))) == clip).all()
    with pytest.raises(DataError, match=r"frame 0 reaches from .* not in \[-1,1\]"):
        read_frames(path, stored=signed)
    np.savez(tmp_path / "clip.npz", frames=clip)
    assert (read_frames(tmp_path / "clip.npz") == clip).all()
    np.savez(tmp_path / "clip.npz", frames=clip, more=clip)
    with pytest.raises(DataError, match=r"one array of frames is wanted; it holds frames, more"):
        read_frames(tmp_path / "clip.npz")
    np.save(path, np.moveaxis(clip, 1, 3))
    assert (read_frames(path) == clip).all()
    values[2, 0, 0, 0] = np.nan
    np.save(path, values)
    with pytest.raises(DataError, match=r"clip\.npy: frame 2 holds NaN"):
        read_frames(path, stored=signed)
    np.save(path, values[:0])
    with pytest.raises(DataError, match="has no frames"):
        read_frames(path)
    np.save(path, np.full((2, 3, 8, 8), 255.0))
    with pytest.raises(DataError, match="reaches from 255 to 255"):
        read_frames(path, stored=signed)


def test_the_order_of_axes_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "clip.npy"
    narrow = np.arange(4 * 3 * 8 * 3, dtype=np.uint8).reshape(4, 3, 8, 3)
    for shape in (narrow, np.zeros((3, 3, 8, 8), np.uint8)):
        np.save(path, shape)
        with pytest.raises(DataError, match="nothing says which axis holds the colours"):
            read_frames(path)
    np.save(path, narrow)
    assert (read_frames(path, stored=Stored(layout="TCHW")) == narrow).all()
    turned = read_frames(path, stored=Stored(layout="THWC"))
    assert (turned == np.moveaxis(narrow, 3, 1)).all()
    np.save(path, np.zeros((4, 3, 8, 8), np.uint8))
    with pytest.raises(DataError, match="is not THWC"):
        read_frames(path, stored=Stored(layout="THWC"))


@pytest.mark.parametrize("given", ["[0,1]", "0,1", "0:1", [0, 1], (0.0, 1.0)])
def test_a_range_is_written_in_several_ways(given: object) -> None:
    assert read_range(given) == (0.0, 1.0)


@pytest.mark.parametrize("given", ["0", "[1,0]", "[0,2]", "abc", 1, [0], "[nan,1]"])
def test_what_is_no_range_is_refused(given: object) -> None:
    with pytest.raises(UsageError, match=r"must be one of \[-1,1\], \[0,1\], \[0,255\]"):
        read_range(given)


@pytest.mark.parametrize(
    "words", [{"start": -1}, {"count": 0}, {"fps": 0.0}, {"fps": float("nan")}, {"size": (0, 4)}]
)
def test_settings_out_of_range(video: Path, words: dict) -> None:
    with pytest.raises(ConfigError):
        read_frames(video, **words)


def test_fit_covers_and_cuts_the_middle() -> None:
    image = np.zeros((100, 300, 3), dtype=np.uint8)
    image[:, 100:200] = 200  # the middle third
    assert (fit_image(image, (50, 50)) == 200).all()
    assert fit_image(image, (101, 77)).shape == (101, 77, 3)
    assert fit_image(image, None) is image


def test_real_clip(shared_data: Path) -> None:
    path = shared_data / "video_pairs" / "scene_0001_conditioning.mp4"
    clip = read_frames(path)
    assert clip.shape == (9, 3, 704, 1280)
    assert read_frames(path, fps=4, size=(352, 640)).shape == (5, 3, 352, 640)
    pair = shared_data / "video_pairs" / "scene_0001_window_000_comparison_converted.mp4"
    last = read_frames(pair, start=23, count=1, size=(88, 320))
    assert last.shape == (1, 3, 88, 320)


def test_without_pyav(
    video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images and arrays are read without it; videos say what to install."""
    for name in ("video_file", "video_out", "generate_command"):
        monkeypatch.delitem(sys.modules, f"reworld_agent.clips.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match="needs PyAV"):
        read_frames(video)
    assert main(["video", "generate", f"clip={video}"]) == 1
    assert "reworld-agent[video]" in capsys.readouterr().err

"""The command on clips of every kind, good and bad."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from reworld_agent.cli.main import main
from reworld_agent.core.result_tables import read_provenance
from reworld_agent.video_metrics import scoring as score_module

Clip = NDArray[np.uint8]
PIXEL = "metrics=psnr,ssim"


def _clip(seed: int, frames: int = 9, size: int = 32) -> Clip:
    rng = np.random.default_rng(seed)
    scene = rng.integers(0, 256, (3, size, size * 2), dtype=np.uint8)
    return np.stack([scene[..., k : k + size] for k in range(frames)])


def _folder(path: Path, clips: dict[str, NDArray]) -> Path:
    path.mkdir(parents=True)
    for name, clip in clips.items():
        np.save(path / f"{name}.npy", clip)
    return path


def _video(path: Path, clip: Clip, rate: int = 8) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width, stream.pix_fmt = *clip.shape[-2:], "yuv420p"
        for image in clip.transpose(0, 2, 3, 1):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


class Room:
    """A folder with a real set of two clips and a command over it."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self.capsys = path, capsys
        self.clips = {name: _clip(seed) for seed, name in enumerate("ab")}
        self.real = _folder(path / "real", self.clips)

    def run(self, generated: Path, *words: str, real: Path | None = None) -> tuple[int, str]:
        """Exit code and everything printed."""
        base = [f"real={real or self.real}", f"generated={generated}"]
        base += [f"output={self.path / 'out' / 'result'}", f"cache_dir={self.path / 'cache'}"]
        given = {word.partition("=")[0] for word in words}
        base = [word for word in base if word.partition("=")[0] not in given]
        code = main(["video", "score", *base, *words])
        found = self.capsys.readouterr()
        return code, found.out + found.err

    def table(self, middle: str = "") -> pd.DataFrame:
        """What the command wrote."""
        return pd.read_parquet(self.path / "out" / f"result{middle}.parquet")


@pytest.fixture
def room(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Room:
    return Room(tmp_path, capsys)


def test_pixel_metrics_of_known_noise(room: Room) -> None:
    noisy = {n: np.clip(c.astype(int) + 4, 4, 255).astype(np.uint8) for n, c in room.clips.items()}
    generated = _folder(room.path / "generated", noisy)
    code, text = room.run(generated, PIXEL, "pair_size=native")
    assert code == 0, text
    pairs = room.table(".pairs")
    assert list(pairs.columns) == ["clip", "frame", "psnr", "ssim"]
    assert len(pairs) == 2 * 9
    for row in pairs.to_dict("records"):
        clip = room.clips[row["clip"]][row["frame"]].astype(np.float64)
        other = noisy[row["clip"]][row["frame"]]
        wanted = 10 * np.log10(255**2 / np.square(clip - other).mean())
        assert row["psnr"] == pytest.approx(wanted, abs=1e-3)
        assert 0.9 < row["ssim"] < 1
    means = pairs.groupby("clip")["psnr"].mean()
    summary = room.table().set_index("metric")
    assert summary.loc["psnr", "value"] == pytest.approx(means.mean())


def test_protocol_travels_with_the_numbers(room: Room) -> None:
    code, _ = room.run(room.real, PIXEL, "frames=5", "real_start=1", "generated_start=1")
    assert code == 0
    output = room.path / "out" / "result.parquet"
    protocol = read_provenance(output)
    assert protocol["frames"] == 5
    assert protocol["start"] == {"real": 1, "generated": 1}
    assert protocol["clips"] == {"real": 2, "generated": 2}
    assert protocol["resize"]["pairs"] == 224
    twin = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    assert twin["protocol"] == protocol
    assert twin["metrics"][0]["value"] is None  # PSNR of equal clips is infinite
    assert pd.read_csv(output.with_suffix(".csv"))["metric"].tolist() == ["psnr", "ssim"]


def test_videos_image_folders_and_crops(room: Room) -> None:
    videos, images = room.path / "videos", room.path / "images"
    videos.mkdir()
    for name, clip in room.clips.items():
        smooth = clip // 4 + 96
        _video(videos / f"{name}.mp4", smooth)
        (images / name).mkdir(parents=True)
        for k, frame in enumerate(smooth):
            wide = np.pad(frame, ((0, 0), (4, 0), (8, 0))).transpose(1, 2, 0)[..., ::-1]
            cv2.imwrite(str(images / name / f"{k}.png"), wide)
    words = (PIXEL, "fps=8", "real_crop=32:32:8:4")
    code, text = room.run(videos, *words, real=images)
    assert code == 1 and "carry no times, and no rate is declared for fps=" in text
    code, text = room.run(videos, *words, "real_fps=8", real=images)
    assert code == 0, text
    assert room.table().set_index("metric")["value"]["psnr"] > 20
    assert "crop real 32:32:8:4, generated none" in text
    code, text = room.run(videos, PIXEL, "crop=40:40:0:0")
    assert code == 1
    assert "reaches beyond the frames" in text


def test_the_range_of_floats_is_declared(room: Room) -> None:
    floats = _folder(room.path / "unit", {n: c / 255.0 for n, c in room.clips.items()})
    words = ("metrics=psnr", "pair_size=native")
    code, text = room.run(floats, *words)
    assert code == 1 and "nothing says which numbers are black and white" in text
    assert "range= one of [-1,1], [0,1], [0,255]" in text
    for word in ("range=[0,1]", "generated_range=[0,1]"):
        code, text = room.run(floats, *words, word)
        assert code == 0, text
        assert np.isinf(room.table(".pairs")["psnr"]).all()  # the clips are equal
    protocol = read_provenance(room.path / "out" / "result.parquet")
    assert protocol["range"] == {"real": None, "generated": [0.0, 1.0]}
    assert room.run(floats, *words, "range=[0,2]")[0] == 2


def test_a_range_of_clips_without_floats_is_refused(room: Room) -> None:
    uint8 = _folder(room.path / "uint8", dict(room.clips))
    floats = _folder(room.path / "unit", {n: c / 255.0 for n, c in room.clips.items()})
    words = ("metrics=psnr", "pair_size=native")
    for generated, word, clips in (
        (uint8, "range=[0,1]", "the real and generated clips"),
        (uint8, "generated_range=[-1,1]", "the generated clips"),
        (floats, "real_range=[0,1]", "the real clips"),
    ):
        code, text = room.run(generated, *words, word)
        assert code == 1 and f"{word}, and {clips} hold no floats" in text
        assert not (room.path / "out").exists()
    assert room.run(uint8, *words, "range=[0,255]")[0] == 0


def test_sets_of_two_rates_are_not_compared_frame_by_frame(room: Room) -> None:
    slow, fast = room.path / "slow", room.path / "fast"
    for folder, rate in ((slow, 8), (fast, 24)):
        folder.mkdir()
        _video(folder / "a.mp4", _clip(0, 9), rate)
    code, text = room.run(fast, PIXEL, "pair_size=native", real=slow)
    assert code == 1 and "slow/a.mp4 has 8 frames a second, generated" in text
    code, text = room.run(fast, PIXEL, "pair_size=native", "generated_fps=8", real=slow)
    assert code == 0, text
    protocol = read_provenance(room.path / "out" / "result.parquet")
    assert protocol["rates"] == {"real": 8.0, "generated": 8.0}


@pytest.mark.usefixtures("real_i3d", "real_lpips")
def test_identical_sets_and_going_on(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("metrics=fvd,fid,lpips", "allow_few=true", "generator=steps=30 seed=1")
    code, text = room.run(room.real, *words)
    assert code == 0, text
    first = room.table().set_index("metric")
    assert (first["value"].abs() < 1e-6).all()
    assert list(first.index) == ["fvd", "fid_alexnet", "lpips"]
    assert first["few"].tolist() == [True, True, False]
    assert text.count("TOO FEW") == 2
    protocol = read_provenance(room.path / "out" / "result.parquet")
    assert protocol["too_few_clips"]
    assert protocol["generator"] == "steps=30 seed=1"
    assert protocol["weights_sha256"]["i3d_kinetics400"].startswith("af5c50f0")
    kept = np.load(room.path / "out" / "result.features.npz")
    assert kept["real"].shape == (2, 400)
    assert kept["real_names"].tolist() == ["a", "b"]

    monkeypatch.setattr(score_module, "i3d_logits", lambda *_: pytest.fail("computed again"))
    assert room.run(room.real, *words)[0] == 0
    pd.testing.assert_frame_equal(room.table().set_index("metric"), first)


def test_fewer_than_256_clips(room: Room) -> None:
    code, text = room.run(room.real, "metrics=fvd")
    assert code == 1
    assert "2 real clips: FVD and FID of fewer than 256" in text
    assert "allow_few=true" in text


@pytest.mark.parametrize(
    ("clips", "words", "message"),
    [
        ({"a": _clip(0), "b": _clip(1, 7)}, (), "generated .*b.npy has 7 frames"),
        ({"a": _clip(0), "b": _clip(1, 10)}, (), "real .*a.npy has 9"),
        ({"a": _clip(0), "b": _clip(1, 7)}, ("frames=9",), "has 7 frames .* of frames="),
        ({"a": _clip(0), "c": _clip(1)}, (), "2 clips have no partner, as real b"),
        ({"a": _clip(0)}, (), "1 clips have no partner"),
        ({"a": _clip(0), "b": _clip(1)[:0]}, (), "b.npy: the array has no frames"),
        (
            {"a": _clip(0), "b": np.full((9, 3, 32, 32), np.nan)},
            ("range=[0,1]",),
            "b.npy: frame 0 holds NaN",
        ),
        ({"a": _clip(0), "b": _clip(1, size=16)}, ("pair_size=native",), "b: frames of 32x32 and"),
        ({}, (), "holds no clips"),
    ],
)
def test_bad_clips_are_named(
    room: Room, clips: dict[str, NDArray], words: tuple[str, ...], message: str
) -> None:
    generated = _folder(room.path / "generated", clips)
    code, text = room.run(generated, PIXEL, *words)
    assert code == 1
    assert pd.Series([text]).str.contains(message).all(), text
    assert not (room.path / "out").exists()


def test_one_frame_and_no_frames(room: Room) -> None:
    one = _folder(room.path / "one", {n: c[:1] for n, c in room.clips.items()})
    code, text = room.run(one, "metrics=fvd", "allow_few=true", real=one)
    assert code == 1
    assert "a.npy: 1 frame; FVD needs at least 9" in text
    (room.path / "empty").mkdir()
    (room.path / "empty" / "a.mp4").write_bytes(b"")
    code, text = room.run(room.path / "empty", "metrics=fvd", "allow_few=true")
    assert code == 1
    assert "a.mp4" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("metrics=fvd,inception",), "metrics=inception must be a list"),
        (("metrics=fvdd",), "did you mean metrics=fvd?"),
        (("metrics=",), "metrics= has no value"),
        (("size=128", "allow_few=true"), "FVD at another size has no meaning"),
        (("frames=8", "allow_few=true"), "FVD needs at least 9"),
        (("crop=1:2:3",), "must be W:H:X:Y, center or none"),
        (("crop=0:2:3:4",), "is empty"),
        (("pair_size=big",), "must be pixels a side, or native"),
        (("fps=fast",), "must be a finite number above 0"),
        (("real_start=-1",), "must be an integer of at least 0"),
        (("generator=gone.json",), "no such file"),
        (("i3d_weights=gone",), "no such file"),
        (("device=abacus",), "device=abacus is unknown"),
        (("real=gone",), "no such file or folder"),
        (("extra",), "cannot read extra"),
        (("colour=red",), "is unknown"),
    ],
)
def test_settings_that_cannot_be(room: Room, words: tuple[str, ...], message: str) -> None:
    code, text = room.run(room.real, *words)
    assert code == 2 and len(text.splitlines()) == 2
    assert message in text


@pytest.mark.parametrize(
    ("word", "code", "message"),
    [("split=val", 1, "is no index"), ("device=cuda:9", 2, "no CUDA device")],
)
def test_what_is_refused_before_clips_are_read(
    room: Room, word: str, code: int, message: str
) -> None:
    found, text = room.run(room.real, word)
    assert found == code and message in text


def test_wrong_weights_are_refused(room: Room) -> None:
    other = room.path / "other.ckpt"
    other.write_bytes(b"other")
    code, text = room.run(room.real, "metrics=fvd", "allow_few=true", f"i3d_weights={other}")
    assert code == 1
    assert "not the weights of i3d_kinetics400" in text


def test_help_and_missing_words(room: Room) -> None:
    assert main(["video", "score", "--help"]) == 0
    assert main(["video", "score"]) == 2
    assert "example: reworld video score" in room.capsys.readouterr().out
    assert main(["video", "score", f"real={room.real}", "output=x"]) == 2
    assert main(["video", "score", f"real={room.real}", f"generated={room.real}"]) == 2
    assert "output= is missing" in room.capsys.readouterr().err

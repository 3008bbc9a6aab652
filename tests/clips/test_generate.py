"""Futures: shapes, determinism, tiles, the LTX layout of 8k + 1 frames, files, the command."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reworld_agent.cli.main import main
from reworld_agent.clips.build import build_index
from reworld_agent.clips.dataset import ClipDataset
from reworld_agent.clips.decode import read_frames
from reworld_agent.clips.index import ClipIndex, read_index
from reworld_agent.clips.sources import Options
from reworld_agent.clips.splits import split_rule
from reworld_agent.clips.video_out import write_video
from reworld_agent.clips.windows import ClipShape
from reworld_agent.config import ClipConfig, CodecConfig, load_model_config
from reworld_agent.core.errors import ConfigError, DataError, SceneError, WeightsError
from reworld_agent.generation.futures import Sampling, generate, resized, tiled
from reworld_agent.generation.samples import from_file, from_index, from_scene
from reworld_agent.generation.side_by_side import LABEL, MARGIN, contact_sheet, fitted, side_by_side
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import shipped_folder
from reworld_agent.scenes.logs import load_log
from reworld_agent.video.backbones.ltx import VideoDiT
from reworld_agent.video.codecs.ltx import LTX_095, LTXCodec
from tests.clips.media import frame, levels, write_images
from tests.clips.media import write_video as write_test_video
from tests.clips.tables import write_openscene

SMALL_VAE = {
    "block_out_channels": (8, 8, 16, 16, 32),
    "decoder_block_out_channels": (8, 16, 32),
    "layers_per_block": (1, 1, 1, 1, 1),
    "decoder_layers_per_block": (1, 1, 1, 1),
}


def ltx_like() -> ReWorldModel:
    """Random weights behind the LTX VAE's ratios (32 x 32 x 8, 128 channels), narrow inside."""
    torch.manual_seed(0)
    tiny = load_model_config("tiny")
    clip = ClipConfig(128, 192, 9, 24, 8.0, "clip", "seconds")
    codec = CodecConfig("ltx_vae", 128, 32, 8)
    config = dataclasses.replace(tiny, name="ltx-like", codec=codec, clip=clip, world_clip=clip)
    with torch.device("meta"):
        model = ReWorldModel(config)
    model.codec = LTXCodec(**{**LTX_095, **SMALL_VAE})
    model.video_dit = VideoDiT.build(config.video, 128)
    return model.eval()


@pytest.fixture(scope="module")
def ltx() -> ReWorldModel:
    return ltx_like()


@pytest.fixture(scope="module")
def tiny() -> ReWorldModel:
    return ReWorldModel.from_pretrained(shipped_folder("tiny"))


def histories(clip: ClipConfig, batch: int = 2) -> torch.Tensor:
    shape = (batch, clip.history_frames, 3, clip.height, clip.width)
    return torch.randint(0, 255, shape, dtype=torch.uint8, generator=torch.manual_seed(3))


def test_ltx_layout(ltx: ReWorldModel) -> None:
    clip = ltx.config.world_clip
    future = generate(ltx, histories(clip, 1), clip, Sampling(steps=2))
    assert future.shape == (1, 24, 3, 128, 192) and future.dtype == torch.uint8
    taller = resized(ltx.config, clip, height=160, future_frames=16)
    assert generate(ltx, histories(taller, 1), taller, Sampling(steps=1)).shape[1:] == (
        *(16, 3),
        *(160, 192),
    )
    with pytest.raises(ConfigError, match="not divisible by the codec's 32"):
        resized(ltx.config, clip, height=700)
    with pytest.raises(ConfigError, match="not a multiple of 8"):
        resized(ltx.config, clip, future_frames=25)


def test_batch_and_seed_do_not_mix(tiny: ReWorldModel) -> None:
    clip = tiny.config.world_clip
    past = histories(clip, 3)
    together = generate(tiny, past, clip, Sampling(steps=3, seed=7))
    alone = generate(tiny, past[2:], clip, Sampling(steps=3, seed=7), first=2)
    assert (together[2:].int() - alone.int()).abs().max() <= 1
    assert torch.equal(together, generate(tiny, past, clip, Sampling(steps=3, seed=7)))
    other = generate(tiny, past, clip, Sampling(steps=3, seed=8))
    assert not torch.equal(together, other)
    same_noise = generate(tiny, past[2:], clip, Sampling(steps=3, seed=9))
    assert (same_noise.int() - alone.int()).abs().max() <= 1  # seed 9 = seed 7 of clip 2


def test_gamma_guides(tiny: ReWorldModel) -> None:
    clip = tiny.config.world_clip
    past = histories(clip, 1)
    plain, strong = (generate(tiny, past, clip, Sampling(gamma=g, steps=3)) for g in (1.0, 1.8))
    assert not torch.equal(plain, strong)


def test_tiles_join(ltx: ReWorldModel) -> None:
    """The first cell is 11 cells from the end of its tile, more than the decoder sees."""
    latents = torch.randn(1, 128, 1, 14, 14, generator=torch.manual_seed(0))
    with torch.no_grad():
        whole = ltx.codec.decode(latents).sample
        with tiled(ltx.codec, 384):
            assert ltx.codec.use_tiling
            joined = ltx.codec.decode(latents).sample
    assert not ltx.codec.use_tiling and joined.shape == whole.shape == (1, 3, 1, 448, 448)
    first = (..., slice(32), slice(32))
    torch.testing.assert_close(joined[first], whole[first], atol=1e-4, rtol=0)
    assert not torch.equal(joined, whole)  # but where tiles meet, they are blended


def test_not_finite(tiny: ReWorldModel) -> None:
    clip = tiny.config.world_clip
    broken = ReWorldModel(tiny.config).eval()
    with torch.no_grad():
        broken.video_dit.proj_out.bias.fill_(float("nan"))
    with pytest.raises(WeightsError, match="future of clip 0 is not finite"):
        generate(broken, histories(clip, 1), clip, Sampling(steps=1))


def test_wrong_history(tiny: ReWorldModel) -> None:
    clip = tiny.config.world_clip
    with pytest.raises(DataError, match="the history is"):
        generate(tiny, histories(clip)[:, :, :, ::2], clip, Sampling())
    with pytest.raises(DataError, match=r"the history is torch\.float32"):
        generate(tiny, histories(clip).float(), clip, Sampling())


@pytest.mark.parametrize("words", [{"steps": 0}, {"gamma": float("nan")}, {"batch": 0}])
def test_settings_out_of_range(words: dict) -> None:
    with pytest.raises(ConfigError):
        Sampling(**words)


@pytest.mark.parametrize("size", [(48, 64), (45, 63)])
@pytest.mark.parametrize("lossless", [True, False])
def test_video_comes_back(tmp_path: Path, size: tuple[int, int], lossless: bool) -> None:
    images = np.stack([frame(k, *size) for k in range(6)]).transpose(0, 3, 1, 2)
    path = tmp_path / "v.mp4"
    write_video(path, np.ascontiguousarray(images), 8, lossless)
    again = read_frames(path)
    assert again.shape == images.shape
    assert (again == images).all() if lossless else levels(again) == list(range(6))
    assert levels(read_frames(path, fps=4)) == [0, 2, 4]
    with pytest.raises(DataError, match="not frames"):
        write_video(path, images[:0], 8)


def panels(count: int, value: int) -> np.ndarray:
    return np.full((count, 3, 40, 60), value, dtype=np.uint8)


def test_side_by_side() -> None:
    history = np.concatenate([panels(1, 10), panels(1, 20)])
    video = side_by_side(history, {"real": panels(3, 100), "ours": panels(3, 200)}, fps=8)
    assert video.shape == (5, 3, LABEL + 40, 3 * 60 + 2 * MARGIN)
    middles = [60 // 2 + k * (60 + MARGIN) for k in range(3)]
    told = video[:, 0, LABEL + 20, middles]
    assert told.tolist() == [[10] * 3, [20] * 3, *[[20, 100, 200]] * 3]
    sheet = contact_sheet(history, {"real": panels(3, 100), "ours": panels(3, 200)}, fps=8)
    assert sheet.shape == (3, 2 * (LABEL + 40) + MARGIN, 4 * 60 + 3 * MARGIN)
    with pytest.raises(DataError, match="ours has 2 frames, real 3"):
        side_by_side(history, {"real": panels(3, 0), "ours": panels(2, 0)}, 8)
    with pytest.raises(DataError, match="is of size"):
        side_by_side(history, {"real": fitted(panels(3, 0), (20, 30))}, 8)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    path = folder / "index.parquet"
    words = ["video", "index", "source=openscene", f"root={write_openscene(folder / 'data')}"]
    assert main([*words, f"output={path}", "frames=12", "stride=2"]) == 0
    return path


def test_command_from_an_index(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["video", "generate", f"index={table}", "row=0:3", "batch=2", "steps=2"]
    assert main([*words, f"output={tmp_path}"]) == 0
    names = {path.stem for path in (tmp_path / "futures").glob("*.mp4")}
    assert len(names) == 3
    name = sorted(names)[0]
    assert read_frames(tmp_path / "futures" / f"{name}.mp4").shape == (8, 3, 64, 112)
    assert read_frames(tmp_path / "real" / f"{name}.mp4").shape == (8, 3, 64, 112)
    assert read_frames(tmp_path / "clips" / f"{name}.mp4").shape == (12, 3, 64, 112)
    about = json.loads((tmp_path / "generation.json").read_text())
    assert about["gamma"] == 1.4 and about["steps"] == 2 and len(about["weights_sha256"]) == 64
    stamp = (tmp_path / "futures" / f"{name}.mp4").stat().st_mtime_ns
    other = tmp_path / "other"
    (tmp_path / "real").rename(other)
    picture = tmp_path / "side_by_side" / f"{name}.mp4"
    assert main([*words, f"output={tmp_path}"]) == 0
    assert "0 futures written" in capsys.readouterr().out
    assert read_frames(picture).shape[3] == 3 * 112 + 2 * MARGIN  # history, real, ours
    assert main([*words, f"output={tmp_path}", f"other={other}"]) == 0
    assert "0 futures written" in (said := capsys.readouterr().out) and "3 drawn again" in said
    assert (tmp_path / "futures" / f"{name}.mp4").stat().st_mtime_ns == stamp
    assert read_frames(picture).shape[3] == 4 * 112 + 3 * MARGIN  # and the other's
    (other / f"{name}.mp4").unlink()
    more = ["video", "generate", f"index={table}", "row=0:3", "steps=2", f"other={other}"]
    assert main([*more, f"output={tmp_path / 'second'}"]) == 1
    assert f"1 of 3 files are not there: {name}.mp4" in capsys.readouterr().err
    assert not (tmp_path / "second" / "futures").exists()
    assert main([*words, f"output={tmp_path}", "gamma=1.2"]) == 1
    assert "holds results with another gamma" in capsys.readouterr().err
    third = [*words[:3], "steps=2", f"output={tmp_path / 'third'}"]
    assert main([*third, "row=5:2"]) == 2 and main([*third, "row=1:900"]) == 1
    assert "clips, numbered from 0" in capsys.readouterr().err
    assert main([*words, f"output={tmp_path / 'third'}", "split=test"]) == 1
    assert "the index has no clips of split test" in capsys.readouterr().err


def test_rows_of_jittering_clocks_have_their_whole_future(table: Path) -> None:
    index, clip = read_index(table), load_model_config("tiny").clip
    rows = index.rows.copy()
    rows["timestamps"] = [stamps - np.arange(len(stamps)) * 9_000 for stamps in rows["timestamps"]]
    hasty = ClipIndex.of_rows(rows, index.root, index.provenance)
    for sample, wanted in zip(
        from_index(hasty, range(3), clip), from_index(index, range(3), clip), strict=True
    ):
        assert sample.real is not None and wanted.real is not None
        assert np.array_equal(sample.history, wanted.history)
        assert np.array_equal(sample.real, wanted.real)


@pytest.mark.parametrize("kind", ["video", "images"])
def test_rows_show_their_own_frames_at_any_lower_rate(tmp_path: Path, kind: str) -> None:
    pictures = [frame(k, 64, 112) for k in range(20)]
    if kind == "video":
        write_test_video(tmp_path / "v.mp4", pictures)
    else:
        write_images(tmp_path / "v", pictures)
    options, shape = Options(), ClipShape(fps=8, frames=9, stride=4)
    index, _ = build_index("folder", tmp_path, shape, split_rule("train"), options)
    clips = ClipDataset(index, 9, (64, 112))
    clip = dataclasses.replace(
        load_model_config("tiny").clip, fps=4.0, history_frames=2, future_frames=3
    )
    samples = list(from_index(index, range(len(index)), clip))
    assert len(samples) == 3
    for number, sample in enumerate(samples):
        own = clips[number]["frames"].numpy()
        assert levels(own) == list(range(4 * number, 4 * number + 9))
        assert sample.real is not None
        assert np.array_equal(np.concatenate([sample.history, sample.real]), own[::2])
    faster = dataclasses.replace(clip, fps=16.0)
    with pytest.raises(DataError, match="has 8 frames a second, 16 are wanted"):
        next(from_index(index, [0], faster))


def test_a_future_of_another_clip_is_not_taken_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_test_video(tmp_path / "v.mp4", [frame(k, 64, 112) for k in range(20)])
    words = ["video", "generate", f"clip={path}", "fps=8", "steps=1", f"output={tmp_path / 'out'}"]
    assert main(words) == 0 and main([*words, "start=4"]) == 1
    said = capsys.readouterr().err
    assert "holds a future named v of another source (start 0, not 4)" in said


def test_command_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_test_video(tmp_path / "v.mp4", [frame(k, 64, 112) for k in range(6)])
    words = ["video", "generate", f"clip={path}", "fps=8", "steps=1"]
    assert main([*words, f"output={tmp_path / 'out'}"]) == 0
    assert not (tmp_path / "out" / "real").exists()  # 6 frames: a history of 4, no whole future
    assert "1 of 1 clips end before" in capsys.readouterr().out
    assert levels(read_frames(tmp_path / "out" / "clips" / "v.mp4")[:4]) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["generate"], "name one of clip=, index= and token="),
        (["generate", "scene"], "nothing to imagine is named"),
        (["generate", "clip=a.mp4", "token=t"], "clip and token are given"),
        (["generate", "clip=a.mp4", "row=3"], "row= is of index=, not of clip="),
        (["generate", "clip=nothing.mp4"], "no such file or folder"),
        (["generate", "clip=a.mp4", "size=64"], "must be height x width"),
        (["generate", "clip=a.mp4", "size=65x112"], "not divisible by"),
        (["generate", "clip=a.mp4", "gamma=much"], "must be a finite number above 0"),
        (["generate", "clip=a.mp4", "device=abacus"], "one of cpu, cuda"),
        (["generate", "clip=a.mp4", "checkpoint=nowhere"], "checkpoint_path=nowhere: no such"),
        (["generate", "clip=a.mp4", "output=a.mp4"], "would overwrite the input clip="),
        (["generate", "index=nothing.parquet"], "no such file"),
        (["generate", "index="], "index= has no value"),
        (["generate", "index=a.parquet", "row=5:2"], "the first must be below the last"),
        (["generate", "index=a.parquet", "row=x"], "names no rows"),
        (["generate", "token=t", "data_split=town_tset"], "did you mean town_test?"),
        (["index", "source=town"], "output= is missing"),
        (["index", "source=folder", "output=x"], "root= is missing"),
        (["index", "source=waymo", "root=.", "output=x"], "source=waymo does not exist"),
        (["index", "source=towm", "output=x"], "did you mean source=town?"),
        (["index", "source=town", "output=x", "data_split=town6_tset"], "mean data_split=town6_"),
        (["index", "source=folder", "root=.", "output=x", "part=mini"], "has no meaning"),
        (["index", "source=folder", "root=.", "output=x", "split=1/2"], "is not a split"),
        (["index", "source=folder", "root=.", "output=x", "split=no.csv"], "no such file"),
        (["latents", "index=a.parquet"], "output_dir= is missing"),
        (["paint"], "'video paint' is not a command"),
    ],
)
def test_commands_refuse(
    words: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "a.parquet"):
        (tmp_path / name).touch()
    assert main(["video", *words]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if "notice:" not in line]
    assert len(error) == 2 and message in " ".join(error)
    assert len(list(tmp_path.iterdir())) == 2


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["video"]) == 2 and main(["video", "--help"]) == 0
    for name in ("index", "generate", "latents"):
        assert main(["video", name, "--help"]) == 0
    assert "example:" in capsys.readouterr().out


def test_latents_command(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["video", "latents", f"index={table}", f"output={tmp_path}", "split=train"]
    assert main([*words, "forecast=true"]) == 0
    assert not list(tmp_path.rglob("*.safetensors"))
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "5 clips x" in said and "5 clips encoded, 0 were there" in said


def test_real_clip_has_the_format_of_the_paper(shared_data: Path, ltx: ReWorldModel) -> None:
    """9 frames of history at 8 Hz, as published, go in; 24 frames come out."""
    clip = ltx.config.world_clip
    sample = from_file(shared_data / "video_pairs" / "scene_0001_conditioning.mp4", clip)
    assert sample.history.shape == (9, 3, 128, 192) and sample.real is None
    past = torch.from_numpy(sample.history)[None]
    assert generate(ltx, past, clip, Sampling(steps=1)).shape == (1, 24, 3, 128, 192)


def test_a_broken_clip_is_not_taken_for_a_short_one(tmp_path: Path, tiny: ReWorldModel) -> None:
    folder = write_images(tmp_path / "clip", [frame(k) for k in range(12)])
    (folder / "7.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"7\.jpg: the image is damaged"):
        from_file(folder, tiny.config.world_clip)


def test_scene_of_an_agent(devkit_reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(devkit_reference))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(devkit_reference / "maps"))
    log = next((devkit_reference / "navsim_logs" / "toy").glob("*.pkl"))
    token = load_log(log)[8]["token"]
    sample = from_scene(token, "toy", load_model_config("tiny").clip)
    assert sample.name == token and sample.history.shape == (4, 3, 64, 112)
    assert sample.real is not None and sample.real.shape == (8, 3, 64, 112)
    with pytest.raises(SceneError, match="toy has no scene unknown"):
        from_scene("unknown", "toy", load_model_config("tiny").clip)

"""The protocol of Table 2: every method trains, goes on after a stop, and is judged alike."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from reworld_agent.benchmarks.table2 import costs, figures, imagined, judging
from reworld_agent.benchmarks.table2.imagined import imagine, pixel_psnr
from reworld_agent.benchmarks.table2.runs import train_run
from reworld_agent.benchmarks.table2.sweeps import SWEEPS, Sweep, gamma, run_sweep, summary
from reworld_agent.cli.main import main
from reworld_agent.clips.index import read_index
from reworld_agent.config import ClipConfig, CodecConfig, VideoConfig
from reworld_agent.core.errors import ConfigError
from reworld_agent.objectives.baselines import REPRESENTATIONS
from reworld_agent.training.table2 import data
from reworld_agent.training.table2.build import Clips, RunSettings, build_module
from reworld_agent.training.table2.data import at_most, fitted_codec, held_out_clips, open_codec
from reworld_agent.training.table2.module import grid_of
from reworld_agent.training.table2.velocity import velocity_error
from reworld_agent.training.table2_protocol import Protocol, load_protocol
from tests.training.test_table2_stage import write_table

MICRO = Protocol(
    codec=CodecConfig("patch_pca", 8, 16, 4),
    clip=ClipConfig(32, 32, 5, 8, 8.0, "clip", "seconds"),
    video=VideoConfig(3, 2, 8, 8, ()),
    steps=4,
    batch_size=4,
    learning_rate=1e-3,
    warmup_steps=1,
    ema_decay=0.5,
    small_encoders=True,
)


@pytest.fixture(scope="module")
def clips() -> Clips:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (12, 13, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return Clips(frames[:8], frames[8:], fitted_codec(open_codec(MICRO), frames[:8]))


def test_shipped_protocols() -> None:
    paper = load_protocol("paper")
    assert (paper.frames, grid_of(paper).tokens, grid_of(paper).history) == (25, 196, 2)
    assert (paper.steps, paper.batch_size, paper.video.num_layers) == (120000, 32, 28)
    assert load_protocol("tiny", {"steps": 5}).steps == 5
    for size, overrides, message in (
        ("huge", {}, "model=huge"),
        ("tiny", {"stps": 5}, "stps"),
        ("tiny", {"ema_decay": 1.0}, "ema_decay"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_protocol(size, overrides)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_every_method_learns_and_is_judged(name: str, clips: Clips, tmp_path: Path) -> None:
    module, curve = train_run(MICRO, RunSettings(name, 0), clips, tmp_path, points=2)
    assert list(curve["step"]) == [2, 4] and curve["velocity_error"].notna().all()
    again, kept = train_run(MICRO, RunSettings(name, 0), clips, tmp_path, points=2)
    assert kept.equals(curve), "a finished run is read, not trained again"
    error = velocity_error(module, clips.validation)
    assert error == velocity_error(again, clips.validation) == curve["velocity_error"].iloc[-1]


def test_imagination_never_sees_the_future(clips: Clips) -> None:
    module = build_module(MICRO, RunSettings("redi", 0), clips).eval()
    scrambled = clips.validation.clone()
    scrambled[:, MICRO.clip.history_frames :] = 7
    first, second = (imagine(module, frames, steps=2) for frames in (clips.validation, scrambled))
    assert first.shape == (4, 8, 3, 32, 32) and torch.equal(first, second)


def test_a_run_of_other_settings_is_refused(clips: Clips, tmp_path: Path) -> None:
    train_run(MICRO, RunSettings("vanilla", 0), clips, tmp_path)
    with pytest.raises(ConfigError, match="other settings"):
        train_run(replace(MICRO, learning_rate=1e-4), RunSettings("vanilla", 0), clips, tmp_path)
    with pytest.raises(ConfigError, match="only reworld"):
        build_module(MICRO, RunSettings("sra", 0, mid_blocks=(1,)), clips)


@pytest.mark.parametrize("name", ["blocks", "convergence", "representations"])
def test_sweeps_give_tables_and_figures(name: str, clips: Clips, tmp_path: Path) -> None:
    methods = ("vanilla", "redi")
    sweep = Sweep(replace(MICRO, steps=1), clips, tmp_path, seeds=(0, 1), methods=methods)
    table = run_sweep(name, sweep)
    found = summary(name, table)
    assert (found["seeds"] == 2).all() and found["velocity_error_std"].notna().all()
    figures.write(name, table, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000


def test_futures_are_judged_once(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the mean of frames in the place of I3D, whose weights and numbers have their tests."""
    seen: list[Tensor] = []

    def features(videos: Tensor) -> NDArray[np.float64]:
        seen.append(videos)
        return videos.double().mean(dim=(1, 2)).flatten(1).numpy()

    monkeypatch.setattr(judging, "i3d_features", features)
    monkeypatch.setattr(imagined, "i3d_features", features)

    def table(stop: int | None = None, imagined: int = 4) -> pd.DataFrame:
        few = replace(MICRO, steps=1)
        sweep = Sweep(few, clips, tmp_path, seeds=(0,), imagined=imagined, steps=2)
        return pd.DataFrame(list(islice(gamma(sweep, (1.0, 1.4, 1.8)), stop)))

    history = MICRO.clip.history_frames
    assert len(table(stop=2)) == 2 and len(seen) == 3
    assert torch.equal(seen[0], clips.validation[:, history:])
    whole = table()
    assert len(seen) == 4, "what was judged before the stop is not judged again"
    assert table().equals(whole) and len(seen) == 4
    assert list(whole["gamma"]) == [1.0, 1.4, 1.8] and (whole["clips"] == 4).all()
    assert whole["fvd"].nunique() == 3
    psnr = pixel_psnr(seen[1], clips.validation[:, history:])
    assert whole["psnr_db"].iloc[0] == psnr
    fewer = table(imagined=2)
    assert len(seen) == 8 and (fewer["clips"] == 2).all()


def test_clips_are_spread_evenly_and_kept_where_memory_holds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index = read_index(write_table(tmp_path))
    protocol = load_protocol("tiny")
    whole = held_out_clips(index, protocol)
    assert whole.shape == (6, 17, 3, 64, 64) and not caplog.records
    monkeypatch.setattr(data, "MEMORY", 3 * data.clip_bytes(protocol))
    some = held_out_clips(index, protocol)
    assert torch.equal(some, whole[[0, 2, 4]]) and "validation: 3 of 6 clips" in caplog.text
    assert torch.equal(held_out_clips(index, protocol, 2), whole[[0, 3]])
    assert list(at_most(index, 3).rows["clip_id"]) == list(index.rows["clip_id"][::2])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["methods=vanilla,vanilla"], "methods= names vanilla twice"),
        (["methods=sra,srra"], "did you mean methods=sra?"),
        (["sweep=blocks", "blocks=1,1"], "names a block twice"),
        (["sweep=blocks", "blocks=two"], "each an integer of at least 1"),
        (["seeds=x"], "seeds=x must be an integer of at least 1"),
        (["precision=foo"], "one of 32-true"),
        (["model=paper"], "is no model for the embedded town"),
        (["model=paper", "clips=nowhere"], "no such file"),
        (["vae=nowhere"], "no such folder"),
        (["encoder.redi=nowhere"], "encoder.redi=nowhere: no such folder"),
        (["encoder.ready=nowhere"], "did you mean encoder.redi=?"),
        (["sweep=costs", "seeds=2"], "seeds= has no meaning with sweep=costs"),
        (["sweep=costs", "device=foo"], "device=foo: "),
        (["device=cpu"], "device= has no meaning with sweep=representations"),
        (["sweep=gamma"], "judges imagined futures"),
    ],
)
def test_words_are_read_before_clips(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = [] if words[0].startswith("sweep=") else ["sweep=representations"]
    given = ["benchmark", "methods", *sweep, *words, f"output_dir={tmp_path}"]
    assert main(given) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 2 and message in " ".join(error)
    assert not list(tmp_path.iterdir())


def test_fewer_clips_than_a_batch(clips: Clips, tmp_path: Path) -> None:
    few = replace(clips, train=clips.train[: MICRO.batch_size - 1])
    sweep = Sweep(MICRO, few, tmp_path, seeds=(0,))
    with pytest.raises(ConfigError, match=f"a batch has {MICRO.batch_size}"):
        run_sweep("convergence", sweep)


def test_unknown_words_and_gamma_without_futures(clips: Clips, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="blocks names block 9 of 3"):
        run_sweep("blocks", Sweep(MICRO, clips, tmp_path, seeds=(0,), blocks=(9,)))
    sweep = Sweep(MICRO, clips, tmp_path, seeds=(0,))
    with pytest.raises(ConfigError, match="sweep=depth"):
        run_sweep("depth", sweep)
    with pytest.raises(ConfigError, match="imagined"):
        run_sweep("gamma", sweep)
    assert set(SWEEPS) == {"representations", "blocks", "gamma", "convergence"}


@pytest.mark.slow  # 2 billion parameters' worth of operations are counted
def test_cost_of_the_mid_head_at_paper_size() -> None:
    paper = load_protocol("paper")
    vanilla, reworld = (costs.step_flops(paper, name) for name in ("vanilla", "reworld"))
    assert 1 < reworld / vanilla <= 1.001
    head = costs.parameters(paper, "reworld") - costs.parameters(paper, "vanilla")
    assert head == 266_368


def test_cost_table() -> None:
    table = costs.cost_table(MICRO, MICRO, repeats=2, names=("vanilla", "sra", "repa_dinov2"))
    assert list(table["method"]) == ["vanilla", "sra", "repa_dinov2"]
    assert table["flops_ratio"].iloc[0] == 1 and (table["flops_ratio"].iloc[1:] > 1).all()

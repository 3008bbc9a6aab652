"""`reworld video train-codec`: it learns, it goes on to the same weights, it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from reworld_agent.cli.main import main
from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.core.result_tables import read_provenance
from reworld_agent.model import ReWorldModel
from reworld_agent.training.codec import loop, run
from reworld_agent.training.codec.frames import drawn, some
from reworld_agent.training.codec.settings import CodecTrainSettings
from reworld_agent.video.codecs.conv import ConvCodec
from reworld_agent.video.encoding import normalise
from tests.model.micro import micro_config, micro_model


class MovingBars:
    """Sequences [9, 3, 32, 48] of bars that move: what a linear patch codec blurs."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, number])
        start, speed, colour = rng.integers(0, 40), rng.integers(-3, 4), rng.integers(0, 255, 3)
        frames = np.full((9, 3, 32, 48), 128, np.uint8)
        for time in range(9):
            place = (start + speed * time) % 44
            frames[time, :, :, place : place + 4] = colour[:, None, None]
        return frames


def conv_config() -> ModelConfig:
    values = micro_config().to_dict()
    values["codec"] |= {"kind": "conv", "options": {"width": 8, "blocks": 1}}
    return ModelConfig.from_dict(values)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.manual_seed(0)
    model = ReWorldModel(conv_config())
    bars = MovingBars(96, 0)
    clips = some(bars, 96, 4).float() / 127.5 - 1
    assert isinstance(model.codec, ConvCodec)
    model.codec.fit(clips[:, :, :1], clips)
    model.history = ["statistics"]
    model.save_pretrained(tmp_path / "statistics" / "weights")
    monkeypatch.setattr(run, "open_frames", lambda settings, config: (bars, MovingBars(16, 1)))
    return tmp_path / "statistics" / "weights"


def settings(weights: Path, name: str = "codec", **changes: Any) -> CodecTrainSettings:
    chosen: dict[str, Any] = {"steps": 12, "batch_size": 2, "checkpoint_steps": 5, "crop": 2}
    folder = weights.parents[1] / name
    return CodecTrainSettings(checkpoint_path=weights, output_dir=folder, **(chosen | changes))


def stop_after(steps: int, chosen: CodecTrainSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, and be interrupted at the next step."""
    loss, calls = loop.codec_loss, 0

    def stopped(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > steps:
            raise KeyboardInterrupt
        return loss(*given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop, "codec_loss", stopped)
        run.train_codec(chosen)


def test_it_learns_more_than_patch_pca(weights: Path) -> None:
    found = run.train_codec(settings(weights, steps=60, batch_size=4, crop=0, learning_rate=4e-3))
    ours, base = found.table.to_dict("records")
    assert (ours["codec"], base["codec"]) == ("conv", "patch_pca")
    assert ours["psnr_db"] > base["psnr_db"]
    assert ours["encode_gflop"] > base["encode_gflop"] > 0 and ours["encode_ms"] > 0
    model = ReWorldModel.from_pretrained(found.weights)
    assert model.history == ["statistics"]
    latents = normalise(
        model.codec,
        model.codec.encode(some(MovingBars(96, 0), 96, 4).float() / 127.5 - 1).latent_dist.mode(),
    )
    spread = latents.transpose(0, 1).flatten(1).std(dim=1)
    torch.testing.assert_close(spread, torch.ones(12), atol=0.02, rtol=0)
    origin = read_provenance(found.weights.parent / "codec.parquet")
    assert origin["weights_sha256"] == weights_hash(model.codec) and origin["steps"] == 60
    assert (found.weights.parent / "codec.csv").is_file()


def test_a_stopped_run_ends_in_the_weights_that_it_would_have_had(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run.train_codec(settings(weights, "whole"))
    stop_after(8, settings(weights, "stopped"), monkeypatch)
    assert (weights.parents[1] / "stopped" / loop.CHECKPOINT).is_file()
    rest = run.train_codec(settings(weights, "stopped"))
    hashes = [weights_hash(ReWorldModel.from_pretrained(f.weights)) for f in (whole, rest)]
    assert hashes[0] == hashes[1]
    again = run.train_codec(settings(weights, "stopped"))
    assert again.earlier
    pd.testing.assert_frame_equal(again.table, rest.table)


def test_other_settings_in_the_same_folder_are_refused(weights: Path) -> None:
    run.train_codec(settings(weights))
    with pytest.raises(ConfigError, match="another learning_rate"):
        run.train_codec(settings(weights, learning_rate=1e-3))
    fresh = run.train_codec(settings(weights, learning_rate=1e-3, resume=False))
    assert not fresh.earlier


def test_a_codec_without_weights_to_train_is_refused(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = weights.parents[1] / "plain"
    micro_model().save_pretrained(plain)
    output = f"output_dir={plain.parent / 'out'}"
    assert main(["video", "train-codec", f"checkpoint_path={plain}", output]) == 1
    assert "codec.kind=patch_pca) is not trained" in capsys.readouterr().err


def test_nothing_held_out_is_refused(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"checkpoint_path={weights}", f"output_dir={weights.parents[1] / 'out'}"]
    assert main(["video", "train-codec", *words, "held_out=town_train"]) == 2
    assert "nothing is held out" in capsys.readouterr().err


def test_draws_are_of_whole_cells_and_of_seed_and_step_alone(weights: Path) -> None:
    bars = MovingBars(5, 0)
    chosen = settings(weights, latents=2)
    first = drawn(bars, chosen, ratio=4, cell=16, step=3)
    assert first.shape == (2, 3, 5, 32, 32) and first.dtype == torch.uint8
    assert torch.equal(first, drawn(bars, chosen, ratio=4, cell=16, step=3))
    assert not torch.equal(first, drawn(bars, chosen, ratio=4, cell=16, step=4))


def test_bf16_computes_in_bf16_and_loses_in_float32(weights: Path) -> None:
    model = ReWorldModel.from_pretrained(weights)
    pixels = some(MovingBars(2, 0), 2, 4).float() / 127.5 - 1
    losses = [
        loop.codec_loss(
            model.codec,
            pixels,
            settings(weights, precision=precision),
            torch.Generator().manual_seed(0),
        )[0]
        for precision in ("32-true", "bf16-mixed")
    ]
    assert losses[1].dtype == torch.float32
    assert float(losses[0]) == pytest.approx(float(losses[1]), rel=0.05)

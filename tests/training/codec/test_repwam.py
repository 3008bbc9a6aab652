"""`reworld video train-codec` of RepViTok: it learns, aligned with a frozen encoder, it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from reworld_agent.cli.main import main
from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.model import ReWorldModel
from reworld_agent.training.codec import encoders, run
from reworld_agent.training.codec.encoders import Alignment, ImageEncoder
from reworld_agent.video_metrics.lpips_network import Lpips
from tests.model.micro import micro_config
from tests.training.codec.test_train_codec import MovingBars, settings, stop_after


class Averages(ImageEncoder):
    """Features without weights to learn: the three colours' means, and their squares, a cell."""

    width = 6

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(6))

    def features(self, images: Tensor, rows: int, columns: int) -> Tensor:
        means = torch.nn.functional.adaptive_avg_pool2d(images, (rows, columns))
        return torch.cat([means, means.square()], dim=1) * self.scale.view(6, 1, 1)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    values = micro_config().to_dict()
    options = {"width": 24, "layers": 1, "heads": 2, "mlp": 2}
    values["codec"] |= {"kind": "repwam", "options": options}
    torch.manual_seed(0)
    model = ReWorldModel(ModelConfig.from_dict(values))
    model.history = ["statistics"]
    model.save_pretrained(tmp_path / "statistics" / "weights")
    pair = (MovingBars(96, 0), MovingBars(16, 1))
    monkeypatch.setattr(run, "open_frames", lambda settings, config: pair)
    monkeypatch.setitem(encoders.ENCODERS, "alexnet", Averages)
    return tmp_path / "statistics" / "weights"


def test_it_is_trained_and_judged_beside_pca_of_equal_sizes(weights: Path) -> None:
    found = run.train_codec(settings(weights, align=1.0, mse=0.0, l1=1.0))
    assert found.table["codec"].tolist() == ["repwam", "patch_pca"]
    assert (found.table["psnr_db"] > 0).all()
    before, after = (ReWorldModel.from_pretrained(path) for path in (weights, found.weights))
    assert weights_hash(before.codec) != weights_hash(after.codec)
    assert weights_hash(before.video_dit) == weights_hash(after.video_dit)
    assert not any(parameter.requires_grad for parameter in after.codec.parameters())
    assert after.codec.latents_std.min() > 0 and after.codec.latents_mean.abs().max() > 0


def test_a_stopped_run_goes_on_with_its_projection(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run.train_codec(settings(weights, "whole", align=1.0, steps=8))
    stop_after(6, settings(weights, "stopped", align=1.0, steps=8), monkeypatch)
    rest = run.train_codec(settings(weights, "stopped", align=1.0, steps=8))
    hashes = [weights_hash(ReWorldModel.from_pretrained(f.weights)) for f in (whole, rest)]
    assert hashes[0] == hashes[1]


def alignment(channels: int = 5) -> tuple[Alignment, Tensor, Tensor]:
    torch.manual_seed(0)
    latents = torch.randn(2, channels, 3, 2, 3, requires_grad=True)
    return Alignment(Averages(), channels), latents, torch.rand(2, 3, 9, 16, 24) * 2 - 1


def test_alignment_teaches_latents_and_projection_and_not_the_encoder() -> None:
    align, latents, pixels = alignment()
    align(latents, pixels).backward()
    assert latents.grad is not None and latents.grad.abs().min() > 0
    assert all(p.grad is not None for p in align.project.parameters())
    assert all(p.grad is None and not p.requires_grad for p in align.encoder.parameters())


@torch.no_grad()
def test_alignment_is_of_means_over_time_place_by_place() -> None:
    align, latents, pixels = alignment()
    wanted = align(latents, pixels)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(align(latents[:, :, order], pixels.flip(2)), wanted)
    assert (align(latents.flip(4), pixels) - wanted).abs() > 1e-3
    assert (align(latents, pixels.flip(4)) - wanted).abs() > 1e-3


@torch.no_grad()
def test_alignment_is_zero_where_the_projection_gives_the_features() -> None:
    align, _, pixels = alignment(6)
    align.project.weight.copy_(torch.eye(6))
    align.project.bias.zero_()
    target = align.target(pixels, 2, 3)
    assert target.shape == (2, 6, 2, 3)
    assert float(align(target[:, :, None].repeat(1, 1, 3, 1, 1), pixels)) < 1e-12


@torch.no_grad()
def test_alexnet_is_that_of_lpips_on_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = Lpips("alex")
    monkeypatch.setattr(encoders, "load_lpips", lambda name: network)
    encoder, images = encoders.AlexNet(None), torch.rand(2, 3, 64, 112) * 2 - 1
    assert encoder.features(images, 4, 7).shape == (2, encoder.width, 4, 7)
    last = network.features(images)[-1]
    torch.testing.assert_close(encoder.features(images, *last.shape[2:]), last)
    with pytest.raises(ConfigError, match="16 x 32 pixels are too small"):
        encoder.features(images[:, :, :16, :32], 1, 2)


@pytest.mark.slow
@torch.no_grad()
def test_dinov2_of_a_folder_is_that_of_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.Dinov2Config(**sizes, image_size=224, patch_size=14)
    theirs = transformers.Dinov2Model(config).eval()
    theirs.save_pretrained(tmp_path)
    encoder = encoders.ENCODERS["dinov2"](tmp_path)
    mean, std = (
        torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    images = torch.rand(2, 3, 224, 224) * 2 - 1
    tokens = theirs(pixel_values=((images + 1) / 2 - mean) / std).last_hidden_state[:, 1:]
    wanted = tokens.transpose(1, 2).unflatten(2, (16, 16))
    torch.testing.assert_close(encoder.features(images, 16, 16), wanted, atol=1e-4, rtol=1e-4)
    assert encoder.features(images, 4, 7).shape == (2, 16, 4, 7)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["align=1", "align_encoder=dinov2"], "align_encoder=dinov2 without its weights"),
        (["align=0", "align_folder=."], "with align=0: it would not be used"),
        (["align=1", "align_folder=."], "alexnet takes LPIPS's weights file"),
        (["align=1", "align_encoder=clip"], "align_encoder"),
        (["align=1", "align_encoder=dinov2", "align_folder=nowhere"], "no such folder"),
    ],
)
def test_an_encoder_that_is_none_is_refused(
    weights: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [f"checkpoint_path={weights}", f"output_dir={weights.parents[1] / 'out'}"]
    assert main(["video", "train-codec", *folders, *words]) == 2
    assert said in capsys.readouterr().err

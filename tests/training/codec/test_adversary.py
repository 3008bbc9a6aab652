"""The adversarial loss of `reworld video train-codec`: its values, whom it teaches, going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from reworld_agent.cli.main import main
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.core.records import read_record, write_record
from reworld_agent.model import ReWorldModel
from reworld_agent.training.codec import loop, run
from reworld_agent.training.codec.adversary import Adversary, PatchDiscriminator, hinge
from reworld_agent.training.codec.frames import some
from reworld_agent.video.codecs.conv import ConvCodec
from tests.training.codec.test_repwam import weights as vit_weights
from tests.training.codec.test_train_codec import MovingBars, settings, stop_after, weights

__all__ = ["vit_weights", "weights"]  # fixtures
CPU = torch.device("cpu")


def clips() -> Tensor:
    return some(MovingBars(2, 0), 2, 4).float() / 127.5 - 1


def hash_of(folder: Path) -> str:
    return weights_hash(ReWorldModel.from_pretrained(folder))


def checkpoint(weights: Path, name: str) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(weights.parents[1] / name / loop.CHECKPOINT)
    return state


def test_hinge_is_that_of_a_calculation_by_hand() -> None:
    real, restored = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0, 1.0])
    by_hand = 0.5 * ((0 + 0.5 + 2) / 3 + (0 + 1 + 2) / 3)
    assert float(hinge(real, restored)) == pytest.approx(by_hand)
    assert float(hinge(torch.tensor([1.0]), torch.tensor([-1.0]))) == 0


def test_the_codec_loses_by_the_mean_logit_of_every_frame() -> None:
    adversary, restored = Adversary(0, CPU), clips()
    by_frame = [adversary.network(restored[:, :, time]) for time in range(restored.size(2))]
    wanted = -torch.stack(by_frame).mean()
    torch.testing.assert_close(adversary.generator_loss(restored), wanted)


@torch.no_grad()
def test_a_place_is_judged_by_34_pixels_and_no_crop_is_too_small() -> None:
    network = PatchDiscriminator()
    for place, layer in enumerate(network.layers):
        if isinstance(layer, torch.nn.GroupNorm):  # whose statistics are of whole images
            network.layers[place] = torch.nn.Identity()
    image = torch.zeros(1, 3, 96, 96)
    plain, seen = network(image)[0, 0], []
    middle = plain.size(0) // 2
    for column in range(96):
        moved = image.clone()
        moved[..., column] = 1
        seen.append(bool(network(moved)[0, 0, middle, middle] != plain[middle, middle]))
    assert sum(seen) == 34 and all(seen[seen.index(True) :][:34])
    assert network(torch.zeros(1, 3, 4, 8)).numel() > 0


def test_it_is_of_the_seed_alone_and_draws_from_no_other_numbers() -> None:
    torch.manual_seed(5)
    untouched = torch.rand(1)
    torch.manual_seed(5)
    first = Adversary(3, CPU)
    assert torch.equal(torch.rand(1), untouched)
    pair = zip(first.network.parameters(), Adversary(3, CPU).network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pair)


def test_it_tells_a_fixed_pair_apart() -> None:
    adversary, real = Adversary(0, CPU), clips()[:, :, :2]
    blurred = torch.nn.functional.avg_pool3d(real, (1, 5, 5), 1, (0, 2, 2))
    losses = [float(adversary.learn(real, blurred, 2e-4)) for _ in range(30)]
    assert losses[0] > 0.8 and losses[-1] < 0.5 * losses[0]


def test_it_teaches_the_codec_and_nothing_that_is_frozen(weights: Path) -> None:
    """Neither patch PCA, to which the codec adds, nor the discriminator."""
    codec = ReWorldModel.from_pretrained(weights).codec
    assert isinstance(codec, ConvCodec)
    only = settings(weights, mse=0.0, l1=0.0, kl=0.0, adversarial=0.1)
    begun = run._begin(codec, only)
    loss, restored = loop.codec_loss(
        *(codec, clips(), only, torch.Generator().manual_seed(0), None, None, begun.adversary)
    )
    loss.backward()
    assert restored.shape == clips().shape and begun.adversary is not None
    learned = [*codec.decoder.parameters()]
    assert all(p.grad is not None for p in learned)
    assert any(float(p.grad.abs().sum()) > 0 for p in learned if p.grad is not None)
    assert all(p.grad is None for p in codec.base.parameters())
    assert all(p.grad is None for p in begun.adversary.network.parameters())
    before = [p.clone() for p in begun.adversary.network.parameters()]
    begun.adversary.learn(clips(), restored.detach(), 1e-3)
    after = begun.adversary.network.parameters()
    assert all(not torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_until_it_begins_the_codec_is_that_of_a_run_without(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit by bit; from then on it is another. The weights folder has no tensor more."""
    for name, changes in (("off", {}), ("on", {"adversarial": 0.1, "adversarial_start": 5})):
        stop_after(6, settings(weights, name, **changes), monkeypatch)
    off, on = checkpoint(weights, "off"), checkpoint(weights, "on")
    assert on["step"] == 5 and on.keys() - off.keys() == {"adversary"}
    for part in ("codec", "average"):
        assert all(torch.equal(on[part][name], value) for name, value in off[part].items())
    folders = [
        run.train_codec(settings(weights, name, **changes)).weights
        for name, changes in (("off", {}), ("on", {"adversarial": 0.1, "adversarial_start": 5}))
    ]
    plain, other = (ReWorldModel.from_pretrained(folder).codec for folder in folders)
    assert weights_hash(plain) != weights_hash(other)
    assert plain.state_dict().keys() == other.state_dict().keys()
    names = [sorted(str(p.relative_to(f)) for p in f.rglob("*")) for f in folders]
    assert names[0] == names[1]


@pytest.mark.parametrize("kind", ["weights", "vit_weights"])
@pytest.mark.parametrize("start", [0, 7])
def test_a_stopped_run_goes_on_with_its_discriminator(
    kind: str, start: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the same weights, whether it stopped before or after the discriminator began."""
    folder = request.getfixturevalue(kind)
    changes = {"adversarial": 0.1, "adversarial_start": start}
    whole = run.train_codec(settings(folder, "whole", **changes))
    stop_after(8, settings(folder, "stopped", **changes), monkeypatch)
    kept = checkpoint(folder, "stopped")["adversary"]
    assert bool(kept["optimizer"]["state"]) == (start < 5)
    rest = run.train_codec(settings(folder, "stopped", **changes))
    assert hash_of(whole.weights) == hash_of(rest.weights)


def test_runs_with_and_without_are_not_of_one_folder(weights: Path) -> None:
    run.train_codec(settings(weights, "on", steps=2, adversarial=0.1))
    run.train_codec(settings(weights, "off", steps=2))
    with pytest.raises(ConfigError, match="another adversarial"):
        run.train_codec(settings(weights, "on", steps=2))
    with pytest.raises(ConfigError, match="another adversarial"):
        run.train_codec(settings(weights, "off", steps=2, adversarial=0.1))


def test_a_run_from_before_there_was_one_goes_on(weights: Path) -> None:
    run.train_codec(settings(weights, "old", steps=2))
    record = weights.parents[1] / "old" / run.RECORD
    known = read_record(record, dict[str, Any], "")
    older = {name: value for name, value in known.items() if not name.startswith("adversarial")}
    assert known != older
    record.unlink()
    write_record(record, older)
    assert run.train_codec(settings(weights, "old", steps=2)).earlier


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["adversarial=-0.1"], "adversarial"),
        (["adversarial=nan"], "adversarial"),
        (["adversarial=0.1", "adversarial_start=-1"], "adversarial_start"),
        (["adversarial_start=5"], "with adversarial=0: it would not be used"),
        (["adversarial=0.1", "adversarial_start=50", "steps=50"], "it would never begin"),
    ],
)
def test_what_is_no_weight_or_never_begins_is_refused(
    weights: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [f"checkpoint_path={weights}", f"output_dir={weights.parents[1] / 'out'}"]
    assert main(["video", "train-codec", *folders, *words]) == 2
    assert said in capsys.readouterr().err

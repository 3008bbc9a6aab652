"""The rivals' objectives against their definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reworld_agent.core.errors import ConfigError, WeightsError
from reworld_agent.objectives.baselines import (
    REPRESENTATIONS,
    DiTShape,
    WorldBatch,
    build_representation,
)
from reworld_agent.objectives.baselines.base import cosine_loss, smooth_l1
from reworld_agent.objectives.baselines.encoders import KINDS, FrozenEncoder, pool_to_grid
from reworld_agent.objectives.baselines.redi import FeaturePCA
from reworld_agent.objectives.baselines.self_flow import SelfFlow
from reworld_agent.objectives.baselines.sra import SRA, SRA2
from reworld_agent.video.backbones import VideoOutput
from reworld_agent.video.conditioning import Grid

SHAPE = DiTShape(width=16, channels=6, depth=28, ratio=4)
GRID = Grid(history=2, future=3, height=2, width=2)
FRAMES = 1 + (GRID.frames - 1) * SHAPE.ratio


def _frames(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, FRAMES, 3, 32, 32)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def _batch(times: torch.Tensor | None = None) -> WorldBatch:
    torch.manual_seed(1)
    clean = torch.randn(2, GRID.tokens, SHAPE.channels)
    times = torch.rand(2, GRID.tokens) if times is None else times
    mask = GRID.future_mask()
    return WorldBatch(clean, torch.randn_like(clean), times, times / 2, mask, _frames(), GRID)


def _draw() -> torch.Tensor:
    return torch.rand(64, 1).expand(64, GRID.tokens)


def test_blocks_scale_with_depth() -> None:
    assert SRA(SHAPE).blocks == (8,) and SRA(SHAPE).teacher_block == 20
    assert SelfFlow(SHAPE).blocks == (8,) and SelfFlow(SHAPE).teacher_block == 20
    shallow = DiTShape(16, 6, 6, 4)
    assert (shallow.block(8), shallow.block(20)) == (2, 4)


def test_sra_teacher_sees_less_noise() -> None:
    torch.manual_seed(0)
    student, teacher = SRA(SHAPE).draw_times(_draw, None)
    assert teacher is not None
    gap = student - teacher
    assert (gap >= 0).all() and (gap <= 0.2 + 1e-6).all() and (teacher >= 0).all()
    assert torch.equal(teacher, teacher[:, :1].expand_as(teacher)), "one gap for each clip"


def test_self_flow_draws_two_levels() -> None:
    torch.manual_seed(0)
    student, teacher = SelfFlow(SHAPE).draw_times(_draw, None)
    assert teacher is not None
    level = teacher[:, :1]
    assert torch.equal(teacher, level.expand_as(teacher)), "the teacher's level is uniform"
    assert (student >= teacher).all()
    per_clip = [len(row.unique()) for row in student]
    assert max(per_clip) == 2
    minority = torch.stack([(row != row.mode().values).float().mean() for row in student]).mean()
    assert 0.05 < minority < 0.15


def test_losses_read_generated_tokens_only() -> None:
    mask = GRID.future_mask()
    student, target = torch.randn(2, GRID.tokens, 5), torch.randn(2, GRID.tokens, 5)
    changed = target.clone()
    changed[:, ~mask] += 100
    for loss in (cosine_loss, smooth_l1):
        assert torch.equal(loss(student, target, mask), loss(student, changed, mask))


def test_cosine_and_smooth_l1_against_numpy() -> None:
    mask = torch.ones(3, dtype=torch.bool)
    a, b = torch.randn(1, 3, 4).double(), torch.randn(1, 3, 4).double()
    x, y = a.float().double().numpy(), b.float().double().numpy()
    cosine = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
    assert float(cosine_loss(a, b, mask)) == pytest.approx(-cosine.mean(), abs=1e-6)
    d = np.abs(x - y)
    huber = np.where(d < 0.05, 0.5 * d**2 / 0.05, d - 0.025)
    assert float(smooth_l1(a, b, mask)) == pytest.approx(huber.mean(), abs=1e-6)


def test_sra2_is_zero_where_the_head_says_the_latent() -> None:
    method, batch = SRA2(SHAPE), _batch()
    method.head = torch.nn.Sequential(torch.nn.Identity())
    output = VideoOutput(states=[batch.clean])
    assert float(method.extra(batch, output, None)) == 0.0


def test_teacher_takes_no_gradient() -> None:
    method, batch = SRA(SHAPE), _batch()
    states = torch.randn(2, GRID.tokens, SHAPE.width, requires_grad=True)
    taught = torch.randn(2, GRID.tokens, SHAPE.width, requires_grad=True)
    asked: list[int] = []

    def teacher(times: torch.Tensor, block: int) -> torch.Tensor:
        asked.append(block)
        assert batch.teacher_times is not None and torch.equal(times, batch.teacher_times)
        return taught

    method.extra(batch, VideoOutput(states=[states]), teacher).backward()
    assert asked == [20] and states.grad is not None and taught.grad is None


@pytest.mark.parametrize("kind", KINDS)
def test_encoders_give_features_on_the_grid(kind: str) -> None:
    encoder = FrozenEncoder(kind, small=True)
    found = encoder.on_grid(_frames(), GRID, SHAPE.ratio)
    assert found.shape == (2, GRID.tokens, encoder.width) and torch.isfinite(found).all()
    assert not any(p.requires_grad for p in encoder.parameters())
    assert torch.equal(found, FrozenEncoder(kind, small=True).on_grid(_frames(), GRID, 4))
    assert not torch.equal(found, encoder.on_grid(_frames(1), GRID, SHAPE.ratio))


def test_encoder_weights_from_a_folder(tmp_path: Path) -> None:
    source = FrozenEncoder("dinov2", small=True, seed=3)
    source.network.save_pretrained(tmp_path / "weights")
    found = FrozenEncoder("dinov2", tmp_path / "weights", small=True)
    for name, value in source.network.state_dict().items():
        assert torch.equal(value, found.network.state_dict()[name])
    with pytest.raises(WeightsError, match="nowhere"):
        FrozenEncoder("dinov2", tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="encoder=clip"):
        FrozenEncoder("clip")


def test_pooling_to_the_grid() -> None:
    features = torch.randn(1, FRAMES, 3, 4, 4).double()
    found = pool_to_grid(features, GRID, SHAPE.ratio).numpy()
    values = features.numpy().reshape(1, FRAMES, 3, 2, 2, 2, 2).mean(axis=(4, 6))
    first, rest = values[:, :1], values[:, 1:].reshape(1, 4, 4, 3, 2, 2).mean(axis=2)
    wanted = np.concatenate([first, rest], axis=1).transpose(0, 1, 3, 4, 2).reshape(1, -1, 3)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_redi_components_against_numpy() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(500, 12)) @ generator.normal(size=(12, 12))
    pca = FeaturePCA(12, 3)
    pca.fit(torch.from_numpy(values))
    scores = (values - values.mean(0)) / values.std(0, ddof=1)
    wanted = np.linalg.svd(scores, full_matrices=False)[2][:3]
    overlap = np.abs(wanted @ pca.components.double().numpy())
    np.testing.assert_allclose(overlap, np.eye(3), atol=1e-4)
    with pytest.raises(ConfigError, match="2 feature tokens"):
        pca.fit(torch.zeros(2, 12))


def test_redi_generates_the_features_too() -> None:
    method = build_representation("redi", SHAPE, small=True)
    method.fit([_frames()], GRID)
    clean = torch.randn(2, GRID.tokens, SHAPE.channels)
    joint = method.extend(clean, _frames(), GRID)
    assert joint.shape == (2, GRID.tokens, SHAPE.channels + 8)
    assert torch.equal(joint[..., : SHAPE.channels], clean)
    mask, noise = GRID.future_mask(), torch.randn_like(joint)
    times = torch.zeros(2, GRID.tokens)
    batch = WorldBatch(joint, noise, times, None, mask, _frames(), GRID)
    right = VideoOutput(sample=noise - joint)
    assert float(method.generation(batch, right)) == 0 == float(method.extra(batch, right, None))


def test_unknown_representation() -> None:
    assert len(REPRESENTATIONS) == 10
    with pytest.raises(ConfigError, match="representation=mae"):
        build_representation("mae", SHAPE)

"""RepWAM's backbone: action tokens, block-causal chunks, and what is kept of past ones."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from reworld_agent.config import ClipConfig, CodecConfig, VideoConfig
from reworld_agent.core.errors import ConfigError, ReWorldError
from reworld_agent.video.backbones import build_backbone, condition_of, run_backbone
from reworld_agent.video.backbones.action_tokens import ActionTokens, action_coords
from reworld_agent.video.backbones.causal import CleanFuture, chunk_mask
from reworld_agent.video.backbones.output import VideoOutput
from reworld_agent.video.backbones.world_action import PastKeys, WorldActionDiT
from reworld_agent.video.chunks import ChunkSampler
from reworld_agent.video.conditioning import Layout
from reworld_agent.video.sampler import Guidance

CLIP = ClipConfig(32, 48, 2, 5, 2.0, "continued", "index")
CODEC = CodecConfig("patch_pca", 12, 16, 1)
LAYOUT = Layout.of(CLIP, CODEC)
CELLS, HISTORY = 6, 2
EXPERT, JOINT = "latent", "joint"


def dit(
    kind: str, numbers: int = 4, chunk: int | None = 2, window: int | None = None
) -> WorldActionDiT:
    """A float64 one, all of whose layers say something."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"num_layers": 3, "num_heads": 2, "head_dim": 12, "mid_blocks": (1,)}
    lengths = {"chunk": chunk, "window": window}
    options = {name: length for name, length in lengths.items() if length is not None}
    config = VideoConfig(
        **sizes,
        caption_channels=8,
        backbone="world_action",
        options={"action_ff": 20, **options},
        action_numbers=numbers,
        action_tokens=kind,
    )
    found = build_backbone(config, 12)
    assert isinstance(found, WorldActionDiT)
    for parameter in found.parameters():
        if not parameter.abs().sum():
            torch.nn.init.normal_(parameter, std=0.3)
    return found.double().eval()


def noisy(seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, LAYOUT.grid.tokens, 12, generator=generator, dtype=torch.float64)


def told(seed: int = 2, time: float = 0.0, numbers: int = 4) -> ActionTokens:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(2, 5, numbers, generator=generator, dtype=torch.float64)
    return ActionTokens.of(values, torch.full((2, 5), time, dtype=torch.float64), LAYOUT)


def text() -> Any:
    generator = torch.Generator().manual_seed(3)
    return condition_of(torch.randn(2, 3, 8, generator=generator, dtype=torch.float64))


def run(model: WorldActionDiT, tokens: Tensor, **more: Any) -> VideoOutput:
    times = LAYOUT.grid.token_times(torch.full((2,), 0.6, dtype=torch.float64))
    return run_backbone(model, tokens, times, LAYOUT, text(), **more)


@pytest.mark.parametrize("kind", [JOINT, EXPERT])
def test_velocities_and_states_are_of_the_video_alone(kind: str) -> None:
    output = run(dit(kind), noisy(), actions=told(), tap=(1, 3))
    assert output.velocity.shape == output.mid[1].shape == (2, 42, 12)
    assert [tuple(state.shape) for state in output.states] == [(2, 42, 24)] * 2
    assert output.actions is not None and output.actions.shape == (2, 5, 4)


@pytest.mark.parametrize("kind", [JOINT, EXPERT])
def test_times_of_runs_are_those_of_their_tokens(kind: str) -> None:
    model, tokens, grid = dit(kind), noisy(), LAYOUT.grid
    times = grid.token_times(torch.full((2,), 0.6, dtype=torch.float64))
    found = run_backbone(model, tokens, grid.frame_times(times), LAYOUT, text(), actions=told())
    torch.testing.assert_close(found.velocity, run(model, tokens, actions=told()).velocity)


def test_without_actions_and_chunks_it_is_ltx() -> None:
    """The same weights give the same velocity."""
    ours = dit(EXPERT, 0, None)
    config = VideoConfig(3, 2, 12, 8, (1,))
    stock = build_backbone(config, 12).double().eval()
    stock.load_state_dict(ours.state_dict())
    times = LAYOUT.grid.token_times(torch.full((2,), 0.6, dtype=torch.float64))
    wanted = run_backbone(stock, noisy(), times, LAYOUT, text())
    torch.testing.assert_close(run(ours, noisy()).velocity, wanted.velocity)


def test_an_action_is_noise_where_nothing_is_known_of_it() -> None:
    model, tokens = dit(EXPERT), noisy()
    nothing = run(model, tokens).velocity
    unknown = ActionTokens.unknown(tokens, 4, LAYOUT)
    torch.testing.assert_close(run(model, tokens, actions=unknown).velocity, nothing)
    assert not torch.allclose(run(model, tokens, actions=told()).velocity, nothing)


@pytest.mark.parametrize("kind", [JOINT, EXPERT])
@pytest.mark.parametrize("chunk", [1, 2, 3, 4])
def test_nothing_of_a_later_chunk_is_seen(kind: str, chunk: int) -> None:
    """Finite differences: latents and actions of future frame k are moved, one after the other."""
    model, tokens, actions = dit(kind), noisy(), told()
    with torch.no_grad():
        plain = run(model, tokens, actions=actions, chunk=chunk)
        for frame in range(5):
            own = HISTORY + frame // chunk * chunk
            moved = tokens.clone()
            moved[:, (HISTORY + frame) * CELLS] += 1
            values = actions.values.clone()
            values[:, frame] += 1
            other = ActionTokens(values, actions.times, actions.coords)
            for found in (
                run(model, moved, actions=actions, chunk=chunk),
                run(model, tokens, actions=other, chunk=chunk),
            ):
                change = (found.velocity - plain.velocity).abs().amax(dim=(0, 2))
                by_frame = change.view(-1, CELLS).amax(dim=1)
                assert (by_frame[:own] == 0).all() and (by_frame[own:] > 0).all()
                assert found.actions is not None and plain.actions is not None
                acted = (found.actions - plain.actions).abs().amax(dim=(0, 2))
                assert (acted[: own - HISTORY] == 0).all() and (acted[own - HISTORY :] > 0).all()


def test_the_mask_is_of_the_history_and_chunks() -> None:
    mask = chunk_mask(LAYOUT, 2, 5)
    number = [0, 0, 1, 1, 2, 2, 3]
    whole = [n for n in number for _ in range(CELLS)] + number[2:]
    assert mask.tolist() == [[row >= column for column in whole] for row in whole]
    coords = action_coords(LAYOUT)
    assert coords[0, 0].tolist() == [2, 3, 4, 5, 6] and set(coords[0, 1].tolist()) == {8.0}


def by_hand(window: int, beside: bool) -> list[list[bool]]:
    """The mask of chunks of 2 latents, token by token."""
    number, ends = [0, 0, 1, 1, 2, 2, 3], [2, 4, 6, 7]
    video = [(frame, not beside or frame < HISTORY) for frame in range(7) for _ in range(CELLS)]
    future = [(frame, True) for frame in range(HISTORY, 7)]
    acted = [(frame, not beside) for frame, _ in future]
    clean = [one for one in future for _ in range(CELLS)] if beside else []
    tokens = [*video, *clean, *acted, *(future if beside else [])]

    def sees(row: tuple[int, bool], column: tuple[int, bool]) -> bool:
        own, other = number[row[0]], number[column[0]]
        if own == other:
            return row[1] == column[1]
        return own > other and column[1] and column[0] >= ends[own] - window

    return [[sees(row, column) for column in tokens] for row in tokens]


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("window", [3, 5, 7])
def test_a_window_hides_all_that_is_further_back(window: int, beside: bool) -> None:
    mask = chunk_mask(LAYOUT, 2, 5, window, beside)
    assert mask.tolist() == by_hand(window, beside)
    assert mask.diagonal().all()
    if window == 7:
        assert torch.equal(mask, chunk_mask(LAYOUT, 2, 5, None, beside))


@pytest.mark.parametrize("window", [None, 5])
@pytest.mark.parametrize("kind", [JOINT, EXPERT])
@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_keys_that_are_kept_give_what_a_whole_forward_gives(
    kind: str, chunk: int, window: int | None
) -> None:
    """Every chunk's velocity behind kept keys, against all tokens at once, float64.

    Beside a clean future all noised chunks of one forward give the same (teacher forcing).
    """
    model = dit(kind, chunk=chunk, window=window)
    sampler, grid = ChunkSampler(model, text(), LAYOUT, actions=told()), LAYOUT.grid
    latents, past = noisy(), PastKeys()
    noised = noisy(7)
    exact: dict[str, Any] = {"rtol": 0.0, "atol": 1e-12}
    noised[:, : HISTORY * CELLS] = latents[:, : HISTORY * CELLS]
    future = CleanFuture(latents[:, HISTORY * CELLS :], told())
    levels = grid.token_times(torch.full((2,), 0.7, dtype=torch.float64))
    forced = run_backbone(
        *(model, noised, levels, LAYOUT, text()), actions=told(9, 0.7), clean=future
    )
    sampler.run(latents, 0.0, (0, HISTORY), past, keep=True)
    for first in range(HISTORY, grid.frames, chunk):
        last = min(first + chunk, grid.frames)
        tokens = slice(first * CELLS, last * CELLS)
        times = torch.zeros(2, grid.tokens, dtype=torch.float64)
        times[:, tokens] = 0.7
        whole = run_backbone(model, latents, times, LAYOUT, text(), actions=told())
        found = sampler.run(latents, 0.7, (first, last), past, heads=True)
        assert min(past.frames) == max(0, last - window if window else 0)
        torch.testing.assert_close(found.velocity, whole.velocity[:, tokens], **exact)
        torch.testing.assert_close(found.mid[1], whole.mid[1][:, tokens], **exact)
        acting = replace(sampler, actions=told(9, 0.7))
        alone = acting.run(noised, 0.7, (first, last), past, heads=True)
        torch.testing.assert_close(forced.velocity[:, tokens], alone.velocity, **exact)
        torch.testing.assert_close(forced.mid[1][:, tokens], alone.mid[1], **exact)
        assert forced.actions is not None and alone.actions is not None
        between = slice(first - HISTORY, last - HISTORY)
        torch.testing.assert_close(forced.actions[:, between], alone.actions, **exact)
        sampler.run(latents, 0.0, (first, last), past, keep=True)
    assert past.kept[1][0].shape[2] == len(past.frames)
    assert window or len(past.frames) == grid.tokens + grid.future
    assert forced.velocity.shape == (2, grid.tokens, 12)


@pytest.mark.parametrize("window", [None, 4])
def test_chunks_are_imagined_as_by_whole_forwards(window: int | None) -> None:
    """The sampler against one without kept keys, which gives all of the past at every step."""
    model, grid = dit(EXPERT, window=window), LAYOUT.grid
    condition, noise, guidance = noisy(), noisy(5), Guidance(1.4)
    sampler = ChunkSampler(model, text(), LAYOUT, guidance, actions=told())
    found = sampler.sample(condition, noise, 3, "uniform")
    latents, levels = condition.clone(), [1.0, 2 / 3, 1 / 3, 0.0]
    with torch.no_grad():
        for first in range(HISTORY, grid.frames, 2):
            tokens = slice(first * CELLS, min(first + 2, grid.frames) * CELLS)
            latents[:, tokens] = noise[:, tokens]
            for level, following in pairwise(levels):
                times = torch.zeros(2, grid.tokens, dtype=torch.float64)
                times[:, tokens] = level
                output = run_backbone(model, latents, times, LAYOUT, text(), actions=told())
                mid, final = output.mid[1][:, tokens], output.velocity[:, tokens]
                latents[:, tokens] += (following - level) * (mid + 1.4 * (final - mid))
    torch.testing.assert_close(found, latents, rtol=0, atol=1e-10)
    torch.testing.assert_close(found[:, : HISTORY * CELLS], condition[:, : HISTORY * CELLS])


def test_a_clean_future_is_seen_by_later_chunks_alone() -> None:
    """Finite differences: neither its own chunk nor an earlier one; without actions it is noise."""
    model, tokens, clean = dit(EXPERT), noisy(), noisy(7)[:, HISTORY * CELLS :]
    with torch.no_grad():
        plain = run(model, tokens, clean=CleanFuture(clean))
        for frame in range(5):
            moved = clean.clone()
            moved[:, frame * CELLS] += 1
            found = run(model, tokens, clean=CleanFuture(moved))
            change = (found.velocity - plain.velocity).abs().amax(dim=(0, 2))
            by_frame = change.view(-1, CELLS).amax(dim=1)
            after = HISTORY + (frame // 2 + 1) * 2
            assert (by_frame[:after] == 0).all() and (by_frame[after:] > 0).all()
        unknown = ActionTokens.unknown(tokens, 4, LAYOUT)
        same = run(model, tokens, actions=unknown, clean=CleanFuture(clean, unknown))
        assert torch.equal(same.velocity, plain.velocity)


def test_real_actions_have_fresh_layers_and_all_else_is_equal() -> None:
    first, second = dit(EXPERT), dit("real")
    second.load_state_dict(first.state_dict())
    same = [name for name, _ in first.named_parameters() if not name.startswith("action_")]
    assert all(torch.equal(first.state_dict()[n], second.state_dict()[n]) for n in same)
    idle = ("action_type", "action_in.real.", "action_out.real.")
    assert first.idle_parameters == idle
    assert second.idle_parameters == tuple(name.replace("real", "latent") for name in idle)
    output = run(second, noisy(), actions=told(numbers=3))
    assert output.actions is not None and output.actions.shape == (2, 5, 3)


@pytest.mark.parametrize("kind", [EXPERT, JOINT, "real"])
def test_gradients_reach_all_that_is_used(kind: str) -> None:
    model = dit(kind).train()
    output = run(model, noisy(), actions=told(numbers=model.action_numbers, time=0.5))
    assert output.actions is not None
    loss = output.velocity.sum() + output.actions.square().sum() + output.mid[1].sum()
    loss.backward()
    without = [n for n, p in model.named_parameters() if p.grad is None]
    idle = [n for n, _ in model.named_parameters() if n.startswith(model.idle_parameters)]
    assert without == idle


def test_what_it_cannot_do_is_refused() -> None:
    plain = dit(EXPERT, 0, None)
    with pytest.raises(ConfigError, match="is not of chunks"):
        ChunkSampler(plain, text(), LAYOUT)
    with pytest.raises(ReWorldError, match="by keywords"):
        plain(noisy())
    with pytest.raises(ReWorldError, match="not of chunks"):
        run(plain, noisy(), clean=CleanFuture(noisy()[:, HISTORY * CELLS :]))

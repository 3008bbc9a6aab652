"""Tokens, positions and times."""

from __future__ import annotations

import dataclasses

import torch

from reworld_agent.config import ClipConfig, load_model_config
from reworld_agent.video.conditioning import Grid, latent_times, pack, unpack, video_coords
from tests.video.small import inputs, stock_and_ours

PAPER, TINY = load_model_config("paper"), load_model_config("tiny")


def test_token_counts_of_the_paper() -> None:
    assert Grid.of(PAPER.clip, PAPER.codec).tokens == 6048  # 6 latent frames of 24 x 42
    assert Grid.of(PAPER.world_clip, PAPER.codec).tokens == 4400  # 33 frames at 1280 x 704
    table_2 = ClipConfig(224, 224, 9, 16, 8.0, "clip", "seconds")
    assert Grid.of(table_2, PAPER.codec).tokens == 196


def test_unpack_undoes_pack_in_the_order_frame_row_column() -> None:
    grid = Grid(2, 1, 4, 5)
    latents = torch.arange(2 * 3 * grid.tokens).view(2, 3, 3, 4, 5)
    tokens = pack(latents)
    assert torch.equal(unpack(tokens, grid), latents)
    assert torch.equal(tokens[0, :5, 0], latents[0, 0, 0, 0])


def test_history_is_clean_and_out_of_the_loss() -> None:
    grid = Grid(history=2, future=1, height=2, width=2)
    times = grid.token_times(torch.tensor([0.5, 1.0]))
    assert times.tolist() == [[0.0] * 8 + [0.5] * 4, [0.0] * 8 + [1.0] * 4]
    assert grid.future_mask().tolist() == [False] * 8 + [True] * 4


def test_seconds_are_causal() -> None:
    times = latent_times(PAPER.world_clip, PAPER.codec)  # 33 frames at 8 Hz
    assert times.tolist() == [0.0, 1 / 8, 9 / 8, 17 / 8, 25 / 8]
    assert latent_times(PAPER.clip, PAPER.codec).tolist() == [0, 1, 2, 3, 4, 5]
    continued = dataclasses.replace(TINY.clip, rope_time="seconds")
    assert latent_times(continued, TINY.codec).tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 4.0]
    alone = dataclasses.replace(PAPER.clip, rope_time="seconds")
    assert latent_times(alone, PAPER.codec).tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]


def test_coordinates_are_those_of_the_stock_grid() -> None:
    codec = dataclasses.replace(TINY.codec, spatial_ratio=16)
    clip = dataclasses.replace(TINY.clip, height=48, width=64)
    stock, ours = stock_and_ours()
    grid = Grid.of(clip, codec)
    arguments = inputs()
    arguments["hidden_states"] = torch.randn(2, grid.tokens, 8)
    arguments["timestep"] = torch.tensor([300.0, 700.0])
    arguments["video_coords"] = video_coords(clip, codec).expand(2, -1, -1)
    with torch.no_grad():
        found = ours(**arguments).sample
        del arguments["video_coords"]
        sizes = {"num_frames": grid.frames, "height": grid.height, "width": grid.width}
        expected = stock(**arguments, **sizes, rope_interpolation_scale=(1, 16, 16)).sample
    torch.testing.assert_close(found, expected)

"""Small Video DiTs for tests, seeded."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
from torch import Tensor

from reworld_agent.video.backbones.ltx import VideoDiT

SIZES: dict[str, Any] = {
    "in_channels": 8,
    "out_channels": 8,
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "cross_attention_dim": 24,
    "num_layers": 3,
    "caption_channels": 16,
}


def stock_and_ours() -> tuple[LTXVideoTransformer3DModel, VideoDiT]:
    """The stock transformer and ours, with the same weights; ours has mid heads after 1 and 2."""
    torch.manual_seed(0)
    stock = LTXVideoTransformer3DModel(**SIZES)
    ours = VideoDiT(**SIZES, mid_blocks=(1, 2))
    ours.load_state_dict(stock.state_dict(), strict=False)
    return stock.eval(), ours.eval()


def inputs(batch: int = 2) -> dict[str, Tensor]:
    """Arguments of one forward: 2 x 3 x 4 latent cells, 5 text tokens, a time for each token."""
    generator = torch.Generator().manual_seed(1)
    tokens = 24
    return {
        "hidden_states": torch.randn(batch, tokens, 8, generator=generator),
        "encoder_hidden_states": torch.randn(batch, 5, 16, generator=generator),
        "timestep": torch.rand(batch, tokens, generator=generator) * 1000,
        "encoder_attention_mask": torch.tensor([[1, 1, 1, 0, 0], [1] * 5])[:batch],
        "video_coords": torch.rand(batch, 3, tokens, generator=generator) * 50,
    }

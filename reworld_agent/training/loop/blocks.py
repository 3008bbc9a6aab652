"""The repeated blocks of both DiTs: computed twice to keep less, or compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from reworld_agent.model import ReWorldModel

# Those that never write the scores [heads, N, N] out: at the paper's size 2.3 GB a block.
FUSED = (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION)


def blocks_of(model: ReWorldModel) -> Iterator[tuple[int, nn.Module]]:
    """The blocks of the video backbone, then those of the planner head, each from 1.

    A head from outside may have none (`blocks`).
    """
    yield from enumerate(model.video_dit.transformer_blocks, 1)
    yield from enumerate(getattr(model.action_dit, "blocks", ()), 1)


def checkpoint_blocks(model: ReWorldModel, every: int) -> None:
    """Keep only the input of every so many-th block, and compute it again on the way back.

    Their hooks, which FSDP2 gathers weights by, stay outside of what is done twice. No block draws
    random numbers, so that none need be remembered.
    """
    for number, block in blocks_of(model):
        if every and number % every == 0:
            block.forward = partial(_twice, block.forward)


def _twice(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)


def compile_blocks(model: ReWorldModel) -> None:
    """`torch.compile` each block in place, at its first call; names of weights stay."""
    for _, block in blocks_of(model):
        block.compile()


def fused_attention(device: torch.device) -> Any:
    """A context in which attention is fused on CUDA; torch's own choice elsewhere.

    Where no fused kernel takes an input, torch says so: it would else write the scores out.
    """
    return sdpa_kernel(list(FUSED if device.type == "cuda" else [*FUSED, SDPBackend.MATH]))

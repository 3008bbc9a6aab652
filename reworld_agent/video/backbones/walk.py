"""The walk over the blocks of a backbone that diffusers has: states, mid heads, early exit.

Shapes: B batch, N video tokens, D width.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from reworld_agent.video.backbones.output import VideoOutput


def walk(
    model: Any,
    x: Tensor,
    inputs: tuple[Any, ...],
    embedded_time: Tensor,
    tap: Collection[int],
    stop_after: int | None,
    run_heads: bool,
) -> tuple[Tensor | None, VideoOutput]:
    """The state after the last block (None after an early exit), and what was asked for.

    Args:
        model: of diffusers' `ModelMixin`, with `transformer_blocks` and `mid_heads`.
        x: the tokens before the first block, [B, N, D].
        inputs: what each block takes beside them.
        embedded_time: [B or 1, 1 or N, D], for the mid heads.
        tap: blocks (from 1) whose states are returned.
        stop_after: leave after this block.
        run_heads: evaluate the mid heads.
    """
    output = VideoOutput(mid={}, states=[])
    for number, block in enumerate(model.transformer_blocks, 1):
        x = _run_block(model, block, x, *inputs)
        if number in tap:
            output.states.append(x)
        if run_heads and str(number) in model.mid_heads:
            output.mid[number] = model.mid_heads[str(number)](x, embedded_time)
        if number == stop_after:
            return None, output
    return x, output


def _run_block(model: Any, block: nn.Module, *inputs: Any) -> Tensor:
    if torch.is_grad_enabled() and model.gradient_checkpointing:
        run: Any = model._gradient_checkpointing_func  # diffusers sets it with the flag
        return run(block, *inputs)
    return block(*inputs)

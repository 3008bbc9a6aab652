"""Weights folders out of whatever way a run holds its parameters: whole, or sharded (FSDP2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.tensor import DTensor

from reworld_agent.model import ReWorldModel
from reworld_agent.training.loop.lora import merged, save_adapters, scale_of


def is_sharded(model: ReWorldModel) -> bool:
    """True where processes hold parts of the parameters."""
    return any(isinstance(parameter, DTensor) for parameter in model.parameters())


def save_weights(
    model: ReWorldModel, folder: Path, notes: Sequence[str], is_first: bool = True
) -> None:
    """Write `save_pretrained`'s folder; every process must call it.

    Adapters are merged in it, and stand by themselves in a folder `adapter` beside it.

    Args:
        model: whole or sharded.
        folder: where to.
        notes: lines of the card.
        is_first: this is the process that writes.
    """
    scale = scale_of(model)
    state: dict[str, Tensor]
    if is_sharded(model):
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        gathered: Any = get_model_state_dict(model, options=options)
        state = gathered
    elif scale is not None:
        state = model.state_dict()
    else:
        if is_first:
            model.save_pretrained(folder, notes)
        return
    if is_first:
        if scale is not None:
            save_adapters(state, scale, folder.with_name(folder.name.replace("weights", "adapter")))
            state = merged(state, scale)
        whole_model(model, state).save_pretrained(folder, notes)


def whole_model(model: ReWorldModel, state: dict[str, Any]) -> ReWorldModel:
    """A new model of the same configuration and history with the given weights, on the CPU."""
    with torch.device("meta"):
        whole = ReWorldModel(model.config)
    whole.load_state_dict(state, assign=True)
    whole.history = list(model.history)
    return whole

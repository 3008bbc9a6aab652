"""A method of Table 2 as a module, before its first step; and its average, kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import ConfigError
from reworld_agent.objectives.baselines.build import build_representation
from reworld_agent.objectives.baselines.reworld import ReWorld
from reworld_agent.training.table2.data import FIT_CLIPS, drawn
from reworld_agent.training.table2.module import WorldModule, grid_of
from reworld_agent.training.table2_protocol import Protocol

WEIGHTS = "averaged.safetensors"


@dataclass(frozen=True)
class RunSettings:
    """What tells one run of a sweep from another.

    Attributes:
        method: one of REPRESENTATIONS.
        seed: of initial weights, order of clips, times and noise.
        mid_blocks: blocks (from 1) with a velocity head, for ReWorld; empty = the default.
        weight: factor of the extra loss; None = the method's own.
        encoder: folder of the frozen encoder's weights; None = random.
    """

    method: str
    seed: int
    mid_blocks: tuple[int, ...] = ()
    weight: float | None = None
    encoder: str | None = None

    @property
    def label(self) -> str:
        """Name of the run's folder."""
        blocks = "".join(f"_b{block}" for block in self.mid_blocks)
        weight = "" if self.weight is None else f"_w{self.weight:g}"
        return f"{self.method}{blocks}{weight}_seed{self.seed}"


@dataclass(frozen=True)
class Clips:
    """Clips of a sweep: uint8 [M, T, 3, H, W] each; `train` may be a dataset of [T, 3, H, W]."""

    train: Any
    validation: Tensor
    codec: Any


def build_module(
    protocol: Protocol,
    settings: RunSettings,
    clips: Clips,
    kind: type[WorldModule] = WorldModule,
) -> WorldModule:
    """The module of a run, before its first step; `kind` says how it takes its batches."""
    torch.manual_seed(settings.seed)
    method = build_representation(
        settings.method, protocol.shape, settings.encoder, protocol.small_encoders
    )
    if settings.mid_blocks:
        if not isinstance(method, ReWorld):
            raise ConfigError(f"mid_blocks of {settings.method}", "only reworld has mid blocks")
        method.mid_blocks = settings.mid_blocks
    if settings.weight is not None:
        method.weight = settings.weight
    method.fit(_fitting(clips.train), grid_of(protocol))
    return kind(protocol, method, clips.codec, settings.seed)


def _fitting(clips: Any) -> Iterator[Tensor]:
    """Some training clips in batches [B, T, 3, H, W]; none is decoded before it is asked for."""
    yield from drawn(clips, FIT_CLIPS).split(32)


def keep_averaged(module: WorldModule, home: Path) -> None:
    """Write the averaged weights to a run's folder."""
    state = {key: value.contiguous().cpu() for key, value in module.averaged.state_dict().items()}
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(home / WEIGHTS, lambda path: save_file(state, path))

"""The methods of the paper's Table 2 as Stage 1 objectives under one interface and protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reworld_agent.core.errors import ConfigError
from reworld_agent.objectives.baselines.base import DiTShape, Representation
from reworld_agent.objectives.baselines.encoders import FrozenEncoder
from reworld_agent.objectives.baselines.redi import ReDi
from reworld_agent.objectives.baselines.repa import REPA
from reworld_agent.objectives.baselines.reworld import ReWorld
from reworld_agent.objectives.baselines.self_flow import SelfFlow
from reworld_agent.objectives.baselines.sra import SRA, SRA2

ALONE: dict[str, Callable[[DiTShape], Representation]] = {
    "vanilla": Representation,
    "sra": SRA,
    "sra2": SRA2,
    "self_flow": SelfFlow,
    "reworld": ReWorld,
}
WITH_ENCODER: dict[str, tuple[Callable[[DiTShape, FrozenEncoder], Representation], str]] = {
    "repa_dinov2": (REPA, "dinov2"),
    "repa_videomaev2": (REPA, "videomaev2"),
    "repa_depth_anything3": (REPA, "depth_anything3"),
    "repa_vjepa2": (REPA, "vjepa2"),
    "redi": (ReDi, "dinov2_registers"),
}
REPRESENTATIONS = (*ALONE, *WITH_ENCODER)


def build_representation(
    name: str, shape: DiTShape, encoder_folder: str | Path | None = None, small: bool = False
) -> Representation:
    """The objective `name` for a Video DiT of this shape.

    Args:
        name: one of REPRESENTATIONS.
        shape: sizes of the Video DiT.
        encoder_folder: weights of the frozen encoder; None = random ones.
        small: a small encoder, for tests and the tiny model.

    Raises:
        ConfigError: an unknown name.
    """
    if name in ALONE:
        return ALONE[name](shape)
    if name in WITH_ENCODER:
        build, encoder = WITH_ENCODER[name]
        return build(shape, FrozenEncoder(encoder, encoder_folder, small))
    known = " | ".join(REPRESENTATIONS)
    raise ConfigError(f"representation={name} does not exist", f"use {known}")

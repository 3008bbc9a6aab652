"""From the name of an objective to the objective."""

from __future__ import annotations

from pathlib import Path

from reworld_agent.objectives.baselines.encoders import FrozenEncoder
from reworld_agent.objectives.baselines.protocol import DiTShape, Objective, WithEncoder
from reworld_agent.objectives.baselines.registry import OBJECTIVES


def build_representation(
    name: str, shape: DiTShape, encoder_folder: str | Path | None = None, small: bool = False
) -> Objective:
    """The objective `name` for a backbone of this shape.

    Args:
        name: one of OBJECTIVES, or `package.module:name`.
        shape: sizes of the backbone.
        encoder_folder: weights of the frozen encoder; None = random ones.
        small: a small encoder, for tests and the tiny model.

    Raises:
        ConfigError: an unknown name.
    """
    found = OBJECTIVES.get(name, "representation")
    if isinstance(found, WithEncoder):
        return found.build(shape, FrozenEncoder(found.encoder, encoder_folder, small))
    return found(shape)

"""The objectives by name; what is built in is imported when it is asked for."""

from __future__ import annotations

from reworld_agent.core.extending.registry import Registry
from reworld_agent.objectives.baselines.protocol import ObjectiveBuilder, WithEncoder

_HERE = "reworld_agent.objectives.baselines"
_BUILTIN = {
    "vanilla": f"{_HERE}.base:Representation",
    "sra": f"{_HERE}.sra:SRA",
    "sra2": f"{_HERE}.sra:SRA2",
    "self_flow": f"{_HERE}.self_flow:SelfFlow",
    "reworld": f"{_HERE}.reworld:ReWorld",
    "repa_dinov2": f"{_HERE}.repa:REPA_DINOV2",
    "repa_videomaev2": f"{_HERE}.repa:REPA_VIDEOMAEV2",
    "repa_depth_anything3": f"{_HERE}.repa:REPA_DEPTH_ANYTHING3",
    "repa_vjepa2": f"{_HERE}.repa:REPA_VJEPA2",
    "redi": f"{_HERE}.redi:REDI",
}
OBJECTIVES: Registry[ObjectiveBuilder | WithEncoder] = Registry("objective", _BUILTIN)
REPRESENTATIONS = tuple(_BUILTIN)  # those of Table 2


def encoder_of(name: str) -> str | None:
    """The frozen encoder that an objective reads, None for none; ConfigError for unknown names."""
    found = OBJECTIVES.get(name, "representation")
    return found.encoder if isinstance(found, WithEncoder) else None

"""The gate: does a Video DiT know more than closed forms do, and does the planner read it?

No comparison of video models is made before their weights pass it (`reworld video gate`).
"""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.training.gate.floors import (
        ChannelMoments,
        input_slope,
        last_latent_mean,
        wiener_velocity,
        zero_error,
    )
    from reworld_agent.training.gate.run import judge
    from reworld_agent.training.gate.settings import GateSettings
    from reworld_agent.training.gate.verdict import Gate

__all__ = [
    "ChannelMoments",
    "Gate",
    "GateSettings",
    "input_slope",
    "judge",
    "last_latent_mean",
    "wiener_velocity",
    "zero_error",
]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "floors": [
            *("ChannelMoments", "input_slope", "last_latent_mean"),
            *("wiener_velocity", "zero_error"),
        ],
        "run": ["judge"],
        "settings": ["GateSettings"],
        "verdict": ["Gate"],
    },
)

"""The factor of L_RDE (the paper's Table 7)."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.benchmarks.repulsion.settings import RepulsionSettings
    from reworld_agent.benchmarks.repulsion.sweep import sweep_repulsion

__all__ = ["RepulsionSettings", "sweep_repulsion"]

__getattr__, __dir__ = lazy_face(
    __name__, {"settings": ["RepulsionSettings"], "sweep": ["sweep_repulsion"]}
)

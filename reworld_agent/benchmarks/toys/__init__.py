"""Self-guidance where everything is known: small distributions, small networks, our own sampler."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.benchmarks.toys.run import benchmark_guidance
    from reworld_agent.benchmarks.toys.settings import GuidanceSettings

__all__ = ["GuidanceSettings", "benchmark_guidance"]

__getattr__, __dir__ = lazy_face(
    __name__, {"run": ["benchmark_guidance"], "settings": ["GuidanceSettings"]}
)

"""How fast samples come from disk, and what an index of clips takes."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.benchmarks.data.run import benchmark_data
    from reworld_agent.benchmarks.data.settings import DataBenchmarkSettings

__all__ = ["DataBenchmarkSettings", "benchmark_data"]

__getattr__, __dir__ = lazy_face(
    __name__, {"run": ["benchmark_data"], "settings": ["DataBenchmarkSettings"]}
)

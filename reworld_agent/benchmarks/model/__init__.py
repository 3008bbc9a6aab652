"""Time and memory of the model."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.benchmarks.model.run import benchmark_model
    from reworld_agent.benchmarks.model.settings import ModelBenchmarkSettings

__all__ = ["ModelBenchmarkSettings", "benchmark_model"]

__getattr__, __dir__ = lazy_face(
    __name__, {"run": ["benchmark_model"], "settings": ["ModelBenchmarkSettings"]}
)

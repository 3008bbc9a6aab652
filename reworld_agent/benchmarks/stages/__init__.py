"""Cost of the stages' steps."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.benchmarks.stages.report import benchmark_stages
    from reworld_agent.benchmarks.stages.settings import StagesBenchmarkSettings

__all__ = ["StagesBenchmarkSettings", "benchmark_stages"]

__getattr__, __dir__ = lazy_face(
    __name__, {"report": ["benchmark_stages"], "settings": ["StagesBenchmarkSettings"]}
)

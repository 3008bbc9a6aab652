"""Time of the scorer, beside the stock devkit."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.benchmarks.scorer.run import ScorerTimes, benchmark_scorer
    from reworld_agent.benchmarks.scorer.settings import ScorerBenchmarkSettings

__all__ = ["ScorerBenchmarkSettings", "ScorerTimes", "benchmark_scorer"]

__getattr__, __dir__ = lazy_face(
    __name__, {"run": ["ScorerTimes", "benchmark_scorer"], "settings": ["ScorerBenchmarkSettings"]}
)

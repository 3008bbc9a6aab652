"""Latency of a plan."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.benchmarks.plan.run import benchmark_plan
    from reworld_agent.benchmarks.plan.settings import PlanBenchmarkSettings

__all__ = ["PlanBenchmarkSettings", "benchmark_plan"]

__getattr__, __dir__ = lazy_face(
    __name__, {"run": ["benchmark_plan"], "settings": ["PlanBenchmarkSettings"]}
)

"""Does a single-shot score put planners in the order of a closed loop?"""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.benchmarks.ranks.correlation import Agreement, agreements
    from reworld_agent.benchmarks.ranks.run import Ranks, benchmark_ranks
    from reworld_agent.benchmarks.ranks.settings import RanksSettings

__all__ = ["Agreement", "Ranks", "RanksSettings", "agreements", "benchmark_ranks"]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "correlation": ["Agreement", "agreements"],
        "run": ["Ranks", "benchmark_ranks"],
        "settings": ["RanksSettings"],
    },
)

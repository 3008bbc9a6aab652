"""Why did it fail, is A better than B? Tables, explanations, pictures and pages of scored runs.

For any planner's tables and trajectories; without torch. Each function takes one settings object.
"""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.analysis.comparison.compare import compare, compare_tables
    from reworld_agent.analysis.comparison.comparison import Comparison
    from reworld_agent.analysis.comparison.settings import CompareSettings
    from reworld_agent.analysis.tables.score_tables import ScoreTable, read_table

__all__ = [
    "CompareSettings",
    "Comparison",
    "ScoreTable",
    "compare",
    "compare_tables",
    "read_table",
]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "comparison.compare": ["compare", "compare_tables"],
        "comparison.comparison": ["Comparison"],
        "comparison.settings": ["CompareSettings"],
        "tables.score_tables": ["ScoreTable", "read_table"],
    },
)

"""Why did it fail, is A better than B? Tables, explanations, pictures and pages of scored runs.

For any planner's tables and trajectories; without torch. The function of a command takes that
command's settings: `compare(CompareSettings(a=..., b=...))`.
"""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.analysis.comparison.compare import compare, compare_tables
    from reworld_agent.analysis.comparison.comparison import Comparison
    from reworld_agent.analysis.comparison.hierarchical import Hierarchical, hierarchical_interval
    from reworld_agent.analysis.comparison.settings import CompareSettings
    from reworld_agent.analysis.comparison.stated import state_intervals
    from reworld_agent.analysis.explain_runs import explain, explain_run
    from reworld_agent.analysis.explanation.explanation import Explanation
    from reworld_agent.analysis.explanation.settings import ExplainSettings
    from reworld_agent.analysis.look_runs import Looked, look
    from reworld_agent.analysis.player.settings import LookSettings
    from reworld_agent.analysis.reporting.page import Report, report
    from reworld_agent.analysis.reporting.settings import ReportSettings
    from reworld_agent.analysis.tables.runs import Run, open_run
    from reworld_agent.analysis.tables.score_tables import ScoreTable, read_table
    from reworld_agent.analysis.tables.settings import RunSettings

__all__ = [
    "CompareSettings",
    "Comparison",
    "ExplainSettings",
    "Explanation",
    "Hierarchical",
    "LookSettings",
    "Looked",
    "Report",
    "ReportSettings",
    "Run",
    "RunSettings",
    "ScoreTable",
    "compare",
    "compare_tables",
    "explain",
    "explain_run",
    "hierarchical_interval",
    "look",
    "open_run",
    "read_table",
    "report",
    "state_intervals",
]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "comparison.compare": ["compare", "compare_tables"],
        "comparison.comparison": ["Comparison"],
        "comparison.hierarchical": ["Hierarchical", "hierarchical_interval"],
        "comparison.settings": ["CompareSettings"],
        "comparison.stated": ["state_intervals"],
        "explanation.explanation": ["Explanation"],
        "explain_runs": ["explain", "explain_run"],
        "explanation.settings": ["ExplainSettings"],
        "look_runs": ["Looked", "look"],
        "player.settings": ["LookSettings"],
        "reporting.page": ["Report", "report"],
        "reporting.settings": ["ReportSettings"],
        "tables.runs": ["Run", "open_run"],
        "tables.score_tables": ["ScoreTable", "read_table"],
        "tables.settings": ["RunSettings"],
    },
)

"""The methods of the paper's Table 2 side by side."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.benchmarks.table2.compare import MethodTable, compare_methods
    from reworld_agent.benchmarks.table2.settings import Table2Settings

__all__ = ["MethodTable", "Table2Settings", "compare_methods"]

__getattr__, __dir__ = lazy_face(
    __name__, {"compare": ["MethodTable", "compare_methods"], "settings": ["Table2Settings"]}
)

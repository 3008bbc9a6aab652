"""The paper's claims as pre-registered experiments: run, tabled, and told on one page."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.benchmarks.evidence.designs import Design, Designs, read_designs
    from reworld_agent.benchmarks.evidence.run import run_evidence
    from reworld_agent.benchmarks.evidence.settings import EvidenceRun, EvidenceTable
    from reworld_agent.benchmarks.evidence.table import Evidence, table_evidence

__all__ = [
    "Design",
    "Designs",
    "Evidence",
    "EvidenceRun",
    "EvidenceTable",
    "read_designs",
    "run_evidence",
    "table_evidence",
]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "designs": ["Design", "Designs", "read_designs"],
        "run": ["run_evidence"],
        "settings": ["EvidenceRun", "EvidenceTable"],
        "table": ["Evidence", "table_evidence"],
    },
)

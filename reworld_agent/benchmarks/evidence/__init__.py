"""The paper's claims as pre-registered experiments: run, tabled, and told on one page."""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.benchmarks.evidence.designs import Design, Designs, read_designs
    from reworld_agent.benchmarks.evidence.oracle import OraclePlans, train_oracle
    from reworld_agent.benchmarks.evidence.oracle_settings import OracleRun
    from reworld_agent.benchmarks.evidence.rehearsal import rehearse_evidence
    from reworld_agent.benchmarks.evidence.run import run_evidence
    from reworld_agent.benchmarks.evidence.settings import EvidenceRun, EvidenceTable
    from reworld_agent.benchmarks.evidence.table import Evidence, table_evidence

__all__ = [
    "Design",
    "Designs",
    "Evidence",
    "EvidenceRun",
    "EvidenceTable",
    "OraclePlans",
    "OracleRun",
    "read_designs",
    "rehearse_evidence",
    "run_evidence",
    "table_evidence",
    "train_oracle",
]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "designs": ["Design", "Designs", "read_designs"],
        "oracle": ["OraclePlans", "train_oracle"],
        "oracle_settings": ["OracleRun"],
        "rehearsal": ["rehearse_evidence"],
        "run": ["run_evidence"],
        "settings": ["EvidenceRun", "EvidenceTable"],
        "table": ["Evidence", "table_evidence"],
    },
)

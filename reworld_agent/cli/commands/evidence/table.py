"""`reworld evidence table`."""

from __future__ import annotations

from reworld_agent.benchmarks import evidence
from reworld_agent.benchmarks.evidence.settings import EvidenceTable
from reworld_agent.cli.command import FAILED, OK, Command
from reworld_agent.core.text import shown

COMMAND = Command(
    name="evidence table",
    summary="effects, intervals and verdicts of the designs that were run",
    settings=EvidenceTable,
    run="reworld_agent.cli.commands.evidence.table:run",
    about="""
A row for each effect: its size, its 95 % interval over training seeds and drives (a hierarchical
bootstrap), and whether the thresholds of the design call it supported, refuted or undecided. A
design with a missing run has no verdict; the run is named. Written as parquet, csv and a figure,
and with page= as the page of all claims.
""",
    examples=("reworld evidence table page=docs/evidence.md",),
    exit_codes="0 written; 1 runs of a design that was begun are missing (they are named)",
)


def run(settings: EvidenceTable) -> int:
    """Print the table and the verdicts, and name the files."""
    found = evidence.table_evidence(settings)
    print(found.text())
    print(f"written: {', '.join(shown(path) for path in found.written)}")
    return FAILED if found.incomplete else OK

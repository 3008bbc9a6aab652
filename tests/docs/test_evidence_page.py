"""The page of claims is what the tables beside it say, and nothing else."""

from __future__ import annotations

from pathlib import Path

from reworld_agent.benchmarks.evidence import EvidenceTable, table_evidence

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_of_the_tables_that_are_kept(tmp_path: Path) -> None:
    settings = EvidenceTable(
        output_dir=tmp_path / "no_runs",
        kept=tuple(sorted((DOCS / "sweeps").glob("evidence_*.parquet"))),
        output=tmp_path / "table",
        page=tmp_path / "evidence.md",
    )
    table_evidence(settings)
    assert (tmp_path / "evidence.md").read_text() == (DOCS / "evidence.md").read_text()

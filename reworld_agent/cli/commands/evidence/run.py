"""`reworld evidence run design=NAME`."""

from __future__ import annotations

from reworld_agent.benchmarks import evidence
from reworld_agent.benchmarks.evidence.settings import EvidenceRun
from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown

COMMAND = Command(
    name="evidence run",
    summary="run a pre-registered test of a claim of the paper",
    settings=EvidenceRun,
    run="reworld_agent.cli.commands.evidence.run:run",
    about="""
Every arm of a design with every seed, as documented commands, one after the other. What a design
trains, how long and with which seeds, what is measured and which thresholds decide stands in
designs.yaml, written before any run; the folder of a design keeps the hash of it, of the weights it
starts from and of the town's version, and refuses others. Weights that have not passed `reworld
video gate` are refused; gate=false runs them and marks the table.
""",
    examples=(
        "reworld evidence run design=C start=outputs/planner/weights",
        "reworld evidence run design=C start=outputs/planner/weights rehearse=true",
        "reworld evidence run design=D start=outputs/2/weights pool=outputs/pool/pool.parquet",
    ),
    next="reworld evidence table page=docs/evidence.md",
    exit_codes="0 every command of the design is done; 1 one failed, or refused",
    kept="finished commands and checkpoints are kept; the same command goes on",
)


def run(settings: EvidenceRun) -> int:
    """Run what is left, and say how many commands the design has."""
    if settings.rehearse:
        chain = evidence.rehearse_evidence(settings)
        print(f"design {settings.design}: its {len(chain)} commands of a seed run to their end")
        return OK
    chain = evidence.run_evidence(settings)
    print(f"design {settings.design}: {len(chain)} commands done in {shown(settings.home)}")
    return OK

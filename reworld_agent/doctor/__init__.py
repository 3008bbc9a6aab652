"""`reworld doctor`: can a score made here be trusted, and would a run finish?

One check a file; each gives findings (`ok`, `warn`, `fail`) that name the fix. The golden scene
is also scored before every evaluation (`require_golden`).
"""

from __future__ import annotations

from collections.abc import Sequence

from reworld_agent.core.findings import FAIL, OK, WARN, Finding, run_checks
from reworld_agent.pdm.golden import GOLDEN_TOLERANCE, golden_deviation, require_golden

__all__ = [
    "FAIL",
    "GOLDEN_TOLERANCE",
    "OK",
    "WARN",
    "Finding",
    "golden_deviation",
    "main",
    "require_golden",
    "run_checks",
]


def main(arguments: Sequence[str] = ()) -> int:
    """`reworld doctor`; see `doctor.command`, which is imported when it runs."""
    from reworld_agent.doctor import command

    return command.main(arguments)

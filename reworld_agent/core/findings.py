"""What a check says; a check that fails unforeseen is a finding too, not a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from reworld_agent.core.errors import ReWorldError

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Finding:
    """One answer of the doctor.

    Attributes:
        name: of what was looked at.
        status: `ok`, `warn` (a run goes on, but look) or `fail` (a score could not be trusted, or
            a run could not finish).
        what: was found.
        fix: the command or change that fixes it; "" where nothing is to be done.
    """

    name: str
    status: str
    what: str
    fix: str = ""


Check = Callable[[], Finding | Iterable[Finding]]


def run_checks(checks: Iterable[Check]) -> Iterator[Finding]:
    """Findings of each check as they come; an exception ends that check alone."""
    for check in checks:
        name = getattr(check, "__name__", "check").removeprefix("check_").replace("_", " ")
        try:
            found = check()
            yield from [found] if isinstance(found, Finding) else found
        except ReWorldError as error:
            yield Finding(name, FAIL, error.message, error.hint or "")
        except Exception as error:
            yield Finding(name, FAIL, f"{type(error).__name__}: {error}", "report this")

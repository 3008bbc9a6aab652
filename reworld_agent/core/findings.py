"""What a check says; a check that fails unforeseen is a finding too, not a crash."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TextIO

from reworld_agent.core.errors import ReWorldError
from reworld_agent.core.extras import not_installed

OK, WARN, FAIL = "ok", "warn", "fail"
_COLOURS = {OK: "\x1b[32m", WARN: "\x1b[33m", FAIL: "\x1b[1;31m"}  # green, yellow, bold red
_PLAIN = "\x1b[0m"


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


def as_text(finding: Finding, colours: bool) -> str:
    """One line, and a second one that says what to do where something is to be done."""
    status = f"{finding.status:<4}"
    if colours:
        status = f"{_COLOURS[finding.status]}{status}{_PLAIN}"
    text = f"{status}  {finding.name}: {finding.what}"
    if finding.fix and finding.status != OK:
        text += f"\n      next: {finding.fix}"
    return text


def wants_colours(stream: TextIO) -> bool:
    """A terminal that shows them; NO_COLOR refuses and FORCE_COLOR insists (no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def run_checks(checks: Iterable[Check]) -> Iterator[Finding]:
    """Findings of each check as they come; an exception ends that check alone."""
    for check in checks:
        name = getattr(check, "__name__", "check").removeprefix("check_").replace("_", " ")
        try:
            found = check()
            yield from [found] if isinstance(found, Finding) else found
        except ReWorldError as error:
            yield Finding(name, FAIL, error.message, error.hint or "")
        except ModuleNotFoundError as error:
            missing = not_installed(error.name or "")
            yield Finding(name, FAIL, missing.message, missing.hint or "")
        except Exception as error:
            yield Finding(name, FAIL, f"{type(error).__name__}: {error}", "report this")

"""Findings on a terminal."""

from __future__ import annotations

from collections.abc import Callable

from reworld_agent.core.findings import FAIL, OK, WARN, Finding

_COLOURS = {OK: "green", WARN: "yellow", FAIL: "bold red"}


def printer() -> Callable[[Finding], None]:
    """A function that prints one finding; coloured on a terminal without NO_COLOR."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)

    def show(finding: Finding) -> None:
        line = Text(f"{finding.status:<4}", style=_COLOURS[finding.status])
        line.append(f"  {finding.name}: {finding.what}", style="default")
        console.print(line)
        if finding.fix and finding.status != OK:
            console.print(Text(f"      next: {finding.fix}"))

    return show

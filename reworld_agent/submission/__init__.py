"""The leaderboard's file: built from a run, checked, and read back without running code from it."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """`reworld submit`; see `submission.command`, which is imported when it runs."""
    from reworld_agent.submission.command import main as run  # noqa: PLC0415

    return run(arguments)

"""The `reworld` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from reworld_agent import __version__

EXAMPLES = """examples:
  reworld doctor                      is this installation to be trusted? (exit code 1: no)
  reworld doctor --json               the same, for scripts
  reworld synth split=town_test       make the embedded split, print its environment variables
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="reworld",
        description="Checks and tools beside run_pdm_score.py and run_training.py.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    doctor = commands.add_parser("doctor", help="check libraries, navsim, golden scene, weights")
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    synth = commands.add_parser("synth", help="make a split of the embedded town")
    synth.add_argument(
        "settings", nargs="*", help="split=... [cameras=all] [root=DIR] [clips=true]"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    options = build_parser().parse_args(arguments)
    if options.command == "doctor":
        from reworld_agent import doctor

        return doctor.main(options.json)
    from reworld_agent.scenes.synthetic import __main__ as synth

    return synth.main(options.settings)


if __name__ == "__main__":
    sys.exit(main())

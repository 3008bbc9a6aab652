"""The `reworld` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from reworld_agent import __version__

EXAMPLES = """examples:
  reworld doctor                      is this installation to be trusted? (exit code 1: no)
  reworld doctor --json               the same, for scripts
  reworld synth split=town_test       make the embedded split, print its environment variables
  reworld explain RUN                 why did scenes of this run fail? token=... for one of them
  reworld compare A B                 is A better than B? run folders, parquet or csv tables
"""


# Commands that read their own words and print their own help: module with `main`, summary.
OWN_WORDS = {
    "compare": (
        "reworld_agent.analysis.compare_report",
        "compare two evaluations scene by scene, with intervals",
    ),
    "explain": (
        "reworld_agent.analysis.explain_report",
        "why scenes of a run failed, in words and by class",
    ),
}


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
    for name, (_, text) in OWN_WORDS.items():
        commands.add_parser(name, help=text, add_help=False)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in OWN_WORDS:
        code: int = import_module(OWN_WORDS[words[0]][0]).main(words[1:])
        return code
    options = build_parser().parse_args(words)
    if options.command == "doctor":
        from reworld_agent import doctor

        return doctor.main(options.json)
    from reworld_agent.scenes.synthetic import __main__ as synth

    return synth.main(options.settings)


if __name__ == "__main__":
    sys.exit(main())

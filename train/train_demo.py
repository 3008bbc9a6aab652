"""`make train-demo`: the chain of stages on the embedded split, as in `train/README.md`.

Its weights are the shipped ones when the seed is the default (see reworld_agent/weights/tiny).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reworld_agent.core.arguments import OK, exit_of
from reworld_agent.training.chain import (
    KEPT,
    commands,
    in_a_process,
    run_chain,
    seed_table,
    stage_scores,
)

EXAMPLE = "example: python train/train_demo.py --output outputs/train_demo --seed 42"
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Entry point; exits 1 where a command fails. Given again, it goes on where it stopped."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("outputs/train_demo"))
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--max-steps", type=int, help="optimiser steps of each stage, for a trial")
    parser.add_argument("--max-scenes", type=int, help="training scenes, for a trial")
    parser.add_argument(
        "--table", type=Path, nargs="+", help="only print mean and spread of finished chains"
    )
    args = parser.parse_args()
    output = args.output.absolute()
    chain = commands(output, args.seed, args.max_steps, args.max_scenes)

    def run() -> int:
        if args.table:
            print(seed_table(args.table).to_string(index=False))
            return OK
        run_chain(chain, output, lambda command: in_a_process(command, ROOT))
        print(stage_scores(output).to_string(index=False))
        return OK

    sys.exit(exit_of(run, KEPT))


if __name__ == "__main__":
    main()

"""`make train-demo`: the chain of stages on the embedded split, as in `train/README.md`.

Its weights are the shipped ones when the seed is the default (see reworld_agent/weights/tiny).
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("1", "planner")


def commands(output: Path, seed: int) -> list[list[str]]:
    """The documented commands, each starting from the weights of the one before."""
    last = output / "statistics"
    chain = [["train/fit_statistics.py", f"output_dir={last}", f"seed={seed}"]]
    for stage in STAGES:
        chain.append(
            [
                "run_training.py",
                "agent=reworld",
                f"stage={stage}",
                f"agent.init_from={last / 'weights'}",
                f"output_dir={output / f'stage_{stage}'}",
                f"seed={seed}",
            ]
        )
        last = output / f"stage_{stage}"
    weights = f"agent.checkpoint_path={last / 'weights'}"
    chain.append(
        [
            "run_pdm_score.py",
            "agent=reworld",
            weights,
            "beside=[constant_velocity]",
            f"output_dir={output / 'score'}",
        ]
    )
    return chain


def main() -> None:
    """Entry point; exits with the code of the first command that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("outputs/train_demo"))
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()
    # a fixed number of threads: the order of sums, and with it the weights, depends on it
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for command in commands(args.output.absolute(), args.seed):
        print("$ python", shlex.join(command), flush=True)
        code = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment).returncode
        if code:
            sys.exit(code)


if __name__ == "__main__":
    main()

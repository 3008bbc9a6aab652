"""The factor of L_RDE (paper, Table 7): Stage 3 and its score at several factors and seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from reworld_agent.benchmarks.table2 import figures
from reworld_agent.core.arguments import Words, run_command
from reworld_agent.core.errors import ConfigError, DataError, UsageError
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.training.chain import SCORES, Command, in_a_process, run_chain, setting

FACTORS = (0.02, 0.03, 0.04, 0.05, 0.1)
KNOWN = ("init_from", "pool", "factors", "seeds", "steps", "model", "frame_interval", "output_dir")
HELP = """python train/sweep_repulsion.py init_from=DIR pool=FILE [key=value ...]

Train Stage 3 at several factors of L_RDE from the same weights and pool, and score each result: the
paper's Table 7. A sweep that was stopped goes on where it stopped.

  init_from=DIR     weights that have passed stage 2
  pool=FILE         of train/mine_hard_negatives.py, or a folder of BeyondDrive pickles
  factors=A,B,...   factors of L_RDE (0.02,0.03,0.04,0.05,0.1)
  seeds=N           runs of each (1)
  steps=N           optimiser steps, for a trial (the stage's own)
  model=tiny|paper  (tiny)
  frame_interval=N  train on every N-th window: the N that the pool was mined with (the split's)
  output_dir=DIR    outputs/repulsion; the table is repulsion.parquet and .csv there, the figure
                    repulsion.png

example: python train/sweep_repulsion.py init_from=outputs/train_demo/stage_2/weights \\
             pool=outputs/train_demo/pool/pool.parquet frame_interval=4 seeds=3

exit codes: 0 done; 1 a run failed; 2 wrong usage.
"""
ROOT = Path(__file__).resolve().parents[2]


def commands(
    init_from: Path,
    pool: Path,
    output: Path,
    factors: Sequence[float],
    seeds: Sequence[int],
    model: str = "tiny",
    more: Sequence[str] = (),
) -> list[Command]:
    """Training and scoring of every factor and seed, each in a folder of its own.

    Args:
        init_from, pool: what every training starts from.
        output: folder of the sweep.
        factors, seeds: of L_RDE, of the trainings.
        model: tiny or paper.
        more: further words of every training.
    """
    found = []
    for seed in seeds:
        for factor in factors:
            home = place(output, factor, seed)
            words = (
                *("agent=reworld", "stage=3", f"agent.model={model}", f"seed={seed}"),
                *(setting("agent.init_from", init_from), setting("hard_negatives.pool", pool)),
                f"+agent.overrides.weights={{action_flow:1.0,repulsion:{factor:g}}}",
                *(setting("output_dir", home / "stage_3"), *more),
            )
            trained = home / "stage_3"
            found.append(Command(f"train {home.name}", "run_training.py", words, trained))
            weights = setting("agent.checkpoint_path", home / "stage_3" / "weights")
            score = (
                "agent=reworld",
                f"agent.model={model}",
                weights,
                setting("output_dir", home / "score"),
            )
            found.append(Command(f"score {home.name}", "run_pdm_score.py", score))
    return found


def place(output: Path, factor: float, seed: int) -> Path:
    """Folder of one run."""
    return output / f"factor_{factor:g}_seed_{seed}"


def table(output: Path, factors: Sequence[float], seeds: Sequence[int]) -> pd.DataFrame:
    """One row a run: factor, seed and the averages of its metrics; also written, and drawn.

    Raises:
        DataError: a run has no score.
    """
    rows = []
    for seed in seeds:
        for factor in factors:
            file = place(output, factor, seed) / "score" / SCORES
            if not file.is_file():
                raise DataError(f"{file} is missing", "give the command again: it goes on")
            average = pd.read_csv(file).iloc[-1].drop(["token", "valid"])
            rows.append({"factor": factor, "seed": seed, **average})
    found = pd.DataFrame(rows)
    write_parquet(output / "repulsion.parquet", found, {"code_version": code_version()})
    write_csv(output / "repulsion.csv", found)
    figures.write_means(found, "factor", "score", output / "repulsion.png")
    return found


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code."""
    return run_command(arguments, HELP, KNOWN, _sweep)


def _sweep(words: Words, run: Callable[[Command], int] | None = None) -> int:
    init_from, pool = words.path("init_from"), words.path("pool")
    if init_from is None or pool is None or words.plain:
        raise UsageError("init_from= and pool= are needed", HELP.partition("\n")[0])
    if not pool.exists():
        raise DataError(f"{pool} is missing", "make it: python train/mine_hard_negatives.py")
    output = (words.path("output_dir") or Path("outputs/repulsion")).absolute()
    factors = _numbers(words.settings.get("factors"))
    seeds = range(words.number("seeds", 1))
    known = {
        "steps": "trainer.params.max_steps",
        "frame_interval": "train_test_split.scene_filter.frame_interval",
    }
    given = [key for key in known if key in words.settings]
    more = [f"{known[key]}={words.number(key, 1)}" for key in given]
    model = words.choice("model", ("tiny", "paper")) or "tiny"
    places = init_from.absolute(), pool.absolute(), output
    chain = commands(*places, factors, seeds, model, more)
    run_chain(chain, output, run or (lambda command: in_a_process(command, ROOT)))
    print(table(output, factors, seeds).round(4).to_string(index=False))
    return 0


def _numbers(text: str | None) -> tuple[float, ...]:
    if text is None:
        return FACTORS
    hint = "say factors=0.02,0.04"
    try:
        factors = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"factors={text} are no numbers", hint) from error
    for factor in factors:
        if not 0 <= factor < math.inf:  # neither is NaN
            raise ConfigError(f"factors={text}: {factor:g} is no factor from 0 on", hint)
        if [f"{other:g}" for other in factors].count(f"{factor:g}") > 1:  # as folders are named
            message = f"factors={text} names {factor:g} twice"
            raise ConfigError(message, "name each once; seeds=N repeats all of them")
    return factors

"""The factor of L_RDE (paper, Table 7): Stage 3 and its score at several factors and seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from reworld_agent.benchmarks.repulsion.settings import RepulsionSettings
from reworld_agent.benchmarks.table2 import figures
from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.evaluation.tables import average_of
from reworld_agent.training.chain import SCORES, Command, in_a_process, run_chain, setting


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
            found.append(Command(f"train {home.name}", "train", words, trained))
            weights = setting("agent.checkpoint_path", home / "stage_3" / "weights")
            score = (
                "agent=reworld",
                f"agent.model={model}",
                weights,
                setting("output_dir", home / "score"),
            )
            found.append(Command(f"score {home.name}", "score", score))
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
            average = average_of(file).drop("valid", errors="ignore")
            rows.append({"factor": factor, "seed": seed, **average})
    found = pd.DataFrame(rows)
    write_parquet(output / "repulsion.parquet", found, {"code_version": code_version()})
    write_csv(output / "repulsion.csv", found)
    figures.write_means(found, "factor", "score", output / "repulsion.png")
    return found


@one_writer
def sweep_repulsion(
    settings: RepulsionSettings, run: Callable[[Command], int] = in_a_process
) -> pd.DataFrame:
    """Train Stage 3 at each factor and seed and score it; the table, which is also written.

    A sweep that was stopped goes on where it stopped.

    Args:
        settings: see there.
        run: runs one command; its exit code.

    Raises:
        ReWorldError: a command failed.
    """
    output = settings.output_dir.absolute()
    seeds = range(settings.seeds)
    known = {
        "trainer.params.max_steps": settings.steps,
        "train_test_split.scene_filter.frame_interval": settings.frame_interval,
    }
    more = [f"{key}={value}" for key, value in known.items() if value is not None]
    places = settings.init_from.absolute(), settings.pool.absolute(), output
    chain = commands(*places, settings.factors, seeds, settings.model, more)
    run_chain(chain, output, run)
    return table(output, settings.factors, seeds)

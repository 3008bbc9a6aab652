"""Training the shipped weights anew: the chain of stages on the embedded split."""

from __future__ import annotations

import pandas as pd

from reworld_agent.core.guards.writers import one_writer
from reworld_agent.training.chain import (
    commands,
    in_a_process,
    run_chain,
    seed_table,
    stage_scores,
)
from reworld_agent.training.demo_settings import TrainDemoSettings


@one_writer
def train_demo(settings: TrainDemoSettings) -> pd.DataFrame:
    """Run the chain; the score of every stage that plans, or the mean over finished chains.

    Raises:
        ReWorldError: a command failed, or a chain holds no score.
    """
    if settings.table:
        return seed_table(settings.table)
    output = settings.output_dir.absolute()
    chain = commands(output, settings)
    run_chain(chain, output, in_a_process)
    return stage_scores(output)

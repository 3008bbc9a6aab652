"""The entry point of training."""

from __future__ import annotations

from reworld_agent.core.guards.writers import one_writer
from reworld_agent.training.agents.run import run_agent
from reworld_agent.training.agents.settings import AgentTrainRun
from reworld_agent.training.loop.resume import Trained
from reworld_agent.training.stage_run import run_stage
from reworld_agent.training.train_run import TrainRun


@one_writer
def run(settings: TrainRun | AgentTrainRun) -> Trained:
    """Train one stage of ReWorld, or another agent.

    A run that was cut short goes on in the same `output_dir`, and ends in the weights that it would
    have had. A finished one is left alone unless `resume` is false.

    Raises:
        ReWorldError: whatever the user can fix, before the first step where possible; or another
            process writes this folder.
    """
    return run_agent(settings) if isinstance(settings, AgentTrainRun) else run_stage(settings)

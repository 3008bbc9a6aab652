"""The entry point of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reworld_agent.core.guards.writers import one_writer
from reworld_agent.training.agents.settings import AgentTrainRun
from reworld_agent.training.loop.records import check_settings, early_record
from reworld_agent.training.train_run import TrainRun

if TYPE_CHECKING:
    from reworld_agent.training.loop.resume import Trained


@one_writer
def run(settings: TrainRun | AgentTrainRun) -> Trained:
    """Train one stage of ReWorld, or another agent.

    A run that was cut short goes on in the same `output_dir`, and ends in the weights that it would
    have had. A finished one is left alone unless `resume` is false.

    Raises:
        ReWorldError: whatever the user can fix, before the first step where possible; or another
            process writes this folder.
    """
    # torch, Lightning and diffusers take seconds to import, and a start with other settings than
    # its folder's is refused without them
    if isinstance(settings, AgentTrainRun):
        from reworld_agent.training.agents.run import run_agent  # noqa: PLC0415

        return run_agent(settings)
    check_settings(settings.output_dir, early_record(settings), settings.resume)
    from reworld_agent.training.stage_run import run_stage  # noqa: PLC0415

    return run_stage(settings)

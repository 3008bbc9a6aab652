"""`reworld fit-statistics`, also `python train/fit_statistics.py`."""

from __future__ import annotations

from reworld_agent.cli.command import OK
from reworld_agent.cli.hydra_command import SPLITS, HydraCommand
from reworld_agent.training.statistics.settings import StatisticsRun

COMMAND = HydraCommand(
    name="fit-statistics",
    summary="fit codec and action normalisation, before stage 1",
    settings=StatisticsRun,
    run="reworld_agent.cli.commands.fit_statistics:run",
    config="reworld_fit_statistics",
    about="""
Fits in closed form, to the scenes of a training split, the patch PCA codec and the normalisation of
actions, and writes them into OUTPUT_DIR/weights. The paper's size has a trained codec: there is
nothing to fit. --cfg job prints every setting and runs nothing.

"""
    + SPLITS
    + "\n",
    examples=("reworld fit-statistics output_dir=outputs/statistics",),
    next="reworld train agent=reworld stage=1 agent.init_from=outputs/statistics/weights",
    exit_codes="0 the weights folder is written; 1 refused or failed",
)


def run(settings: StatisticsRun) -> int:
    """Fit, and say what came of it."""
    from reworld_agent.training.statistics.fit import run_statistics  # noqa: PLC0415 - imports torch

    fitted = run_statistics(settings)
    print("\n".join(fitted.lines))
    print(f"statistics are done: {fitted.weights}")
    return OK

"""`reworld mine`, also `python train/mine_hard_negatives.py`."""

from __future__ import annotations

from reworld_agent.cli.command import FAILED, OK
from reworld_agent.cli.hydra_command import SPLITS, HydraCommand
from reworld_agent.training.mining.settings import MiningRun

COMMAND = HydraCommand(
    name="mine",
    summary="mine hard negatives for stage 3",
    settings=MiningRun,
    run="reworld_agent.cli.commands.mine:run",
    config="reworld_mine_hard_negatives",
    about="""
Candidates of the planner are scored, and the unsafe one nearest to the expert is found for each
scene. Reads training splits only. --cfg job prints every setting and runs nothing.

"""
    + SPLITS
    + "\n",
    examples=("reworld mine agent.checkpoint_path=outputs/2/weights output_dir=outputs/pool",),
    next="reworld train agent=reworld stage=3 hard_negatives.pool=outputs/pool/pool.parquet",
    exit_codes="0 every candidate was scored; 1 refused or failed",
    kept="finished scenes are kept; the same command with its output_dir= goes on",
)


def run(settings: MiningRun) -> int:
    """Mine, and say what the pool holds."""
    from reworld_agent.training.mining.run import run_mining  # noqa: PLC0415 - imports torch

    pool = run_mining(settings)
    print(pool.statistics.text())
    print(f"pool: {pool.file}")
    return FAILED if pool.statistics.failed else OK

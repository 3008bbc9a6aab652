"""`reworld score`, also `python run_pdm_score.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from reworld_agent import analysis, evaluation
from reworld_agent.cli.command import FAILED, OK
from reworld_agent.cli.commands import score_trajectories
from reworld_agent.cli.hydra_command import SPLITS, HydraCommand
from reworld_agent.evaluation import EvaluationRun

_SHOWN = 5  # scenes without a score


class ScoreCommand(HydraCommand):
    """Plans and scores a split; or, given `trajectories=FILE`, scores that file."""

    def call(self, arguments: Sequence[str]) -> int:
        """The exit code."""
        if any(argument.startswith("trajectories=") for argument in arguments):
            return score_trajectories.COMMAND.call(arguments)
        return super().call(arguments)


COMMAND = ScoreCommand(
    name="score",
    summary="plan and score a split with an agent, or score a file of trajectories",
    settings=EvaluationRun,
    run="reworld_agent.cli.commands.score:run",
    config="reworld_run_pdm_score",
    about="""
Plans every scene of a split with an agent and scores the plans: PDMS, or EPDMS. A scene without a
score is named, and never averaged away. --cfg job prints every setting and runs nothing. With
trajectories=FILE the trajectories of any planner are scored instead: reworld score-trajectories
--help.

"""
    + SPLITS
    + "\n",
    examples=(
        "reworld score agent=reworld 'beside=[constant_velocity,human]'",
        "reworld score agent=human train_test_split.data_split=mini output_dir=outputs/human",
    ),
    next="reworld explain FOLDER, reworld report FOLDER, reworld compare FOLDER OTHER",
    exit_codes="0 every scene has a score; 1 refused, failed, or scenes without a score",
    kept="finished scenes are kept; the same command with its output_dir= goes on",
)


def run(settings: EvaluationRun) -> int:
    """Print the table, and what has no score."""
    found = evaluation.evaluate(settings)
    output = settings.output_dir.absolute()
    print(found.text())
    for line in _intervals(found):
        print(line)
    print(f"results in {output}")
    for result in found.incomplete:
        print(f"error: {result.name}: {result.missing} scenes have no score", file=sys.stderr)
        for row in result.failures.head(_SHOWN).itertuples():
            print(f"  {row.token} ({row.phase}): {row.reason}", file=sys.stderr)
    if not found.incomplete:
        return OK
    print(
        "  all of them: failures.csv in each agent's folder\n  next: fix what the reasons name, "
        f"and start again with output_dir={output}; finished scenes are kept",
        file=sys.stderr,
    )
    return FAILED


def _intervals(found: evaluation.Evaluation) -> Iterator[str]:
    """How sure the scores are, where every scene of a split of one stage has one."""
    first, *others = found.results
    if found.incomplete or first.summary is None:
        return
    beside = [(result.name, result.folder) for result in others]
    for protocol in found.protocols:
        yield from analysis.state_intervals(first.folder, beside, protocol)

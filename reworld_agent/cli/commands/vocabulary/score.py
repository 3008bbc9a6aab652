"""`reworld vocabulary score vocabulary=FILE.npy`: all its trajectories in all scenes of a split."""

from __future__ import annotations

from reworld_agent import vocabularies
from reworld_agent.cli.command import FAILED, OK
from reworld_agent.cli.hydra_command import SPLITS, HydraCommand
from reworld_agent.core.text import shown
from reworld_agent.vocabularies.settings import ScoreVocabularyRun

COMMAND = HydraCommand(
    name="vocabulary score",
    summary="score every trajectory of a vocabulary in every scene of a split",
    settings=ScoreVocabularyRun,
    run="reworld_agent.cli.commands.vocabulary.score:run",
    config="reworld_score_vocabulary",
    about="""
Writes OUTPUT_DIR/scores-00000.parquet ...: token, a list of V numbers for each metric and the
score, and the logged future. form=gtrs adds one pickle as GTRS and its Hydra-MDP train on:
{token: {metric: array [V]}}. On one core 8,192
trajectories took .13 s a scene of town_test (pdms_v1; epdms_v2 .2 s): some 4 hours of one core for
100,000 such scenes.

"""
    + SPLITS
    + "\n",
    examples=(
        "reworld vocabulary score vocabulary=8192.npy output_dir=outputs/vocabulary",
        "reworld vocabulary score vocabulary=8192.npy protocol=epdms_v2 form=gtrs "
        "train_test_split=navtrain output_dir=outputs/gtrs",
    ),
    next="reworld vocabulary oracle outputs/vocabulary output=oracle.parquet",
    exit_codes="0 every scene has scores; 1 refused, failed, or scenes without scores",
    kept="finished files are kept; the same command goes on",
)


def run(settings: ScoreVocabularyRun) -> int:
    """Say how many scenes have scores, and where they are."""
    found = vocabularies.score_vocabulary(settings)
    print(f"{found.scenes} scenes scored: {shown(found.folder)}/scores-*.parquet")
    if found.pickle is not None:
        print(f"for GTRS: {shown(found.pickle)}")
    for reason, count in found.failures["reason"].value_counts().head(5).items():
        print(f"  no scores for {count}: {reason}")
    return OK if found.failures.empty else FAILED

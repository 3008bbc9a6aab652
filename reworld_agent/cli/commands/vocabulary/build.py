"""`reworld vocabulary build output=FILE.npy`: trajectories from the logged futures of a split."""

from __future__ import annotations

from reworld_agent import vocabularies
from reworld_agent.cli.command import OK
from reworld_agent.cli.hydra_command import SPLITS, HydraCommand
from reworld_agent.core.text import shown
from reworld_agent.vocabularies.settings import BuildVocabularyRun

COMMAND = HydraCommand(
    name="vocabulary build",
    summary="a vocabulary from the logged futures of a split",
    settings=BuildVocabularyRun,
    run="reworld_agent.cli.commands.vocabulary.build:run",
    config="reworld_build_vocabulary",
    about="""
kmeans: means of the clusters of all futures, the largest cluster first. furthest: futures as they
were driven, each the furthest from all before it.

"""
    + SPLITS
    + "\n",
    examples=(
        "reworld vocabulary build output=vocabulary.npy count=256",
        "reworld vocabulary build output=8192.npy count=8192 train_test_split=navtrain",
    ),
    next="reworld vocabulary score vocabulary=vocabulary.npy",
    exit_codes="0 the vocabulary is written; 1 refused or failed",
)


def run(settings: BuildVocabularyRun) -> int:
    """Say what was written."""
    poses = vocabularies.build_vocabulary(settings)
    print(f"{len(poses)} trajectories of 8 poses at 2 Hz: {shown(settings.output)}")
    return OK

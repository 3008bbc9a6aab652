"""Every YAML of ReWorld, one folder a Hydra group; found through `hydra_plugins`.

The settings of the commands stand in dataclasses; what Hydra composes for a command starts from the
node of its class (`reworld_score`, `reworld_train`, ...), which is put into Hydra's store here: it
imports this package whenever its files are looked at.
"""

from __future__ import annotations

from hydra.core.config_store import ConfigStore

from reworld_agent.cli.hydra_node import node
from reworld_agent.closed_loop.driving.settings import DriveRun
from reworld_agent.closed_loop.serving.settings import ServeDriverRun
from reworld_agent.evaluation.settings import EvaluationRun
from reworld_agent.training.mining.settings import MiningRun
from reworld_agent.training.statistics.settings import StatisticsRun
from reworld_agent.training.train_run import TrainRun
from reworld_agent.vocabularies.settings import BuildVocabularyRun, ScoreVocabularyRun

NODES = {
    "reworld_drive": DriveRun,
    "reworld_score": EvaluationRun,
    "reworld_train": TrainRun,
    "reworld_mine": MiningRun,
    "reworld_fit": StatisticsRun,
    "reworld_vocabulary_scores": ScoreVocabularyRun,
    "reworld_vocabulary": BuildVocabularyRun,
    "reworld_driver": ServeDriverRun,
}

for name, settings in NODES.items():
    ConfigStore.instance().store(name=name, node=node(settings), provider="reworld")

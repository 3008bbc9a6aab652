"""RepWAM's ladder: four tokenizers times three rungs, whose models, stages and weights fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reworld_agent.benchmarks.evidence.designs import read_designs
from reworld_agent.benchmarks.evidence.run import commands
from reworld_agent.benchmarks.evidence.settings import EvidenceRun
from reworld_agent.cli.tree import find
from reworld_agent.config import load_model_config
from reworld_agent.evaluation.compose import TRAIN, compose
from reworld_agent.model.weights_folder import SEEN
from reworld_agent.training import TrainRun

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "designs" / "tokenizer.yaml"


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.chdir(ROOT)
    found = read_designs(FILE)
    settings = EvidenceRun(design="tokenizer", designs=FILE, output_dir=tmp_path)
    return commands(found.designs["tokenizer"], found.world, settings, 1)


def test_tokenizers_and_rungs_are_crossed() -> None:
    design = read_designs(FILE).designs["tokenizer"]
    tokenizers, rungs = ("pca", "conv", "vitok", "repvitok"), ("none", "joint", "stages")
    assert set(design.arms) == {f"{one}_{rung}" for one in tokenizers for rung in rungs}
    assert design.seeds == [1, 2, 3]


def test_only_commands_that_there_are(chain: list[Any]) -> None:
    for command in chain:
        name, rest = find([command.command, *command.arguments])
        assert rest and name.split()[0] == command.command


def test_every_training_is_of_a_model_and_a_stage_that_fit(chain: list[Any]) -> None:
    """Rungs of a tokenizer are of one architecture: what differs changes no tensor."""
    trained: dict[str, set[str]] = {}
    for command in (one for one in chain if one.training is not None):
        words = [w for w in command.arguments if not w.startswith("agent.init_from")]
        run = TrainRun.from_config(compose(words, TRAIN))
        assert run.config.actions is not None and run.training_stage.name in ("1", "planner")
        arm = command.name.split(".")[0]
        trained.setdefault(arm, set()).add(run.config.actions.tokens)
    kinds = {frozenset(kinds) for kinds in trained.values()}
    assert kinds == {frozenset({"latent"}), frozenset({"joint"}), frozenset({"latent", "real"})}
    assert "actions.tokens" in SEEN and "video.action_tokens" in SEEN


def test_tokenizers_share_all_but_the_codec() -> None:
    models = [
        load_model_config(ROOT / "docs" / "models" / f"{name}.yaml").to_dict()
        for name in ("tokenizer_pca", "tokenizer_conv", "tiny_repwam")
    ]
    for one in models:
        del one["codec"], one["name"]
    assert models[0] == models[1] == models[2]

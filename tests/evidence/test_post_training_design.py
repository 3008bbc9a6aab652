"""The designs of Stage 4: what is trained is a stage that exists, by methods that exist."""

from __future__ import annotations

from pathlib import Path

from reworld_agent.benchmarks.evidence.designs import read_designs
from reworld_agent.training.policy_settings import methods
from reworld_agent.training.stages import load_stage

FILE = Path(__file__).parents[2] / "docs" / "designs" / "post_training.yaml"


def test_every_arm_names_a_stage_and_a_method() -> None:
    found = read_designs(FILE).designs
    assert list(found) == ["methods", "alarm"]
    trained = set()
    for design in found.values():
        assert len(design.seeds) == 5
        for arm in design.arms.values():
            words = dict(word.split("=", 1) for word in arm["how"] if not word.startswith("+"))
            stage = load_stage(words["stage"], method=words.get("method"))
            assert stage.needs_negatives == ("hard_negatives.pool" in words or stage.name == "3")
            trained.add(words.get("method"))
    assert trained - {None} <= set(methods())
    assert {"grpo", "recogdrive", "reinforce", "rejection", "dpo"} <= trained

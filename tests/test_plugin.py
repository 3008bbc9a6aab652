"""`agent=reworld stage=3` in a Hydra program that knows nothing of ReWorld."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reworld_agent.training.stages import load_stage

PROGRAM = """
import json, sys
import hydra
from omegaconf import OmegaConf

@hydra.main(config_path="conf", config_name="main", version_base=None)
def main(cfg):
    json.dump(OmegaConf.to_container(cfg, resolve=True), open(cfg.output, "w"))

main()
"""

TRAINING = """
defaults: [{agent: nothing}, _self_]
output: ???
trainer: {params: {gradient_clip_val: 0.0, max_epochs: 100}}
dataloader: {params: {batch_size: 64}}
hydra: {run: {dir: .}, output_subdir: null}
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "conf" / "agent").mkdir(parents=True)
    (tmp_path / "conf" / "agent" / "nothing.yaml").write_text("name: nothing\n")
    (tmp_path / "conf" / "main.yaml").write_text(TRAINING)
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    return script


def launch(program: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    output = program.parent / "cfg.json"
    command = [sys.executable, str(program), f"output={output}", *overrides]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=program.parent, env=dict(os.environ)
    )


def config(program: Path) -> dict:
    return json.loads((program.parent / "cfg.json").read_text())


def test_stage_settings_reach_the_trainer(program: Path) -> None:
    assert launch(program, "agent=reworld", "stage=3").returncode == 0
    cfg = config(program)
    assert cfg["agent"]["stage_applied"] == "3"
    assert cfg["agent"]["purpose"] == "train"
    assert cfg["trainer"]["params"]["gradient_clip_val"] == 1.0
    assert cfg["trainer"]["params"]["max_steps"] == load_stage("3").steps


@pytest.mark.parametrize("key", ["model", "agent.model"])
def test_the_stage_is_that_of_the_model_however_it_is_named(program: Path, key: str) -> None:
    assert launch(program, "agent=reworld", f"{key}=small", "agent.stage=planner").returncode == 0
    cfg = config(program)
    assert cfg["agent"]["stage_applied"] == "planner"
    assert cfg["trainer"]["params"]["max_steps"] == load_stage("planner", model="small").steps


def test_command_line_wins_over_the_stage(program: Path) -> None:
    assert launch(program, "agent=reworld", "trainer.params.gradient_clip_val=0.3").returncode == 0
    assert config(program)["trainer"]["params"]["gradient_clip_val"] == 0.3


@pytest.mark.parametrize("override", ["stage=5", "recipe=mine"])
def test_unknown_choice_ends_in_one_clear_line(program: Path, override: str) -> None:
    result = launch(program, "agent=reworld", override)
    assert result.returncode != 0
    key, value = override.split("=")
    assert f"error: {key}={value} does not exist" in result.stderr
    assert f"use {key}=" in result.stderr
    assert "Traceback" not in result.stderr


def test_every_split_and_agent_is_visible(program: Path) -> None:
    for agent in ("reworld", "constant_velocity", "human", "ego_status_mlp"):
        result = launch(program, f"agent={agent}", "+train_test_split=town_test")
        assert result.returncode == 0, result.stderr
        assert config(program)["train_test_split"]["data_split"] == "town_test"


def test_stage_setting_can_be_overridden(program: Path) -> None:
    assert launch(program, "agent=reworld", "+agent.overrides.steps=7").returncode == 0
    assert config(program)["trainer"]["params"]["max_steps"] == 7

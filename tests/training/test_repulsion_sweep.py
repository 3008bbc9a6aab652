"""The sweep of L_RDE's factor: its commands, its table, its words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import hydra
import pandas as pd
import pytest
from omegaconf import OmegaConf

from reworld_agent.benchmarks.repulsion import RepulsionSettings, sweep_repulsion
from reworld_agent.benchmarks.repulsion.sweep import commands
from reworld_agent.cli.main import main
from reworld_agent.training.chain import SCORES, Command
from reworld_agent.training.hydra_stage import StageCallback
from reworld_agent.training.stages import load_stage


def test_every_factor_is_trained_and_scored_once(tmp_path: Path) -> None:
    pool, ran = tmp_path / "pool.parquet", []
    pool.touch()

    def run(command: Command) -> int:
        ran.append(command)
        folder = Path(
            next(w for w in command.arguments if w.startswith("output_dir=")).split("=")[1]
        )
        if command.name.startswith("score"):
            folder.mkdir(parents=True)
            rows = {"token": ["a", "average"], "valid": [True, True], "score": [0.5, 0.5]}
            pd.DataFrame(rows).to_csv(folder / SCORES, index=False)
        return 0

    weights = tmp_path / "weights"
    weights.mkdir()
    settings = RepulsionSettings(
        init_from=weights,
        pool=pool,
        output_dir=tmp_path,
        seeds=2,
        factors=(0.02, 0.1),
        frame_interval=4,
    )
    sweep_repulsion(settings, run)
    assert [c.name.split()[0] for c in ran] == ["train", "score"] * 4
    factors = [w for c in ran for w in c.arguments if w.startswith("+agent.overrides.weights")]
    assert [text.split("repulsion:")[1] for text in factors] == ["0.02}", "0.1}"] * 2
    sparse = [w.endswith("frame_interval=4") for c in ran for w in c.arguments[-1:]]
    assert sparse == [True, False] * 4, "of training alone"
    table = pd.read_parquet(tmp_path / "repulsion.parquet")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "repulsion.csv"), table)
    assert (tmp_path / "repulsion.png").stat().st_size
    assert list(table["factor"]) == [0.02, 0.1] * 2 and list(table["seed"]) == [0, 0, 1, 1]
    sweep_repulsion(settings, run)
    assert len(ran) == 8, "a finished sweep is read"


def test_its_trainings_are_stage_3_with_the_factor(tmp_path: Path) -> None:
    more = ["trainer.params.max_steps=2"]
    chain = commands(tmp_path, tmp_path, tmp_path, [0.03], [1], more=more)
    with hydra.initialize_config_module("navsim_configs", version_base="1.3"):
        words = list(chain[0].arguments)
        cfg = hydra.compose("reworld_run_training", words, return_hydra_config=True)
    StageCallback(cfg.stage).merge(cfg)
    overrides: Any = OmegaConf.to_container(cfg.agent.overrides)
    stage = load_stage("3", overrides=overrides)
    paper = load_stage("3")
    assert stage == replace(paper, weights=replace(paper.weights, repulsion=0.03))
    assert cfg.seed == 1 and cfg.trainer.params.max_steps == 2


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("factors=nan", "a finite number of at least 0"),
        ("factors=0.1,-1", "a finite number of at least 0"),
        ("factors=0.1,0.10", "names 0.1 twice"),
        ("factors=a", "a finite number"),
        ("pool=none", "no such file or folder"),
        ("init_from=none", "no such folder"),
    ],
)
def test_what_is_refused(
    word: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a pool that is a folder."""
    (tmp_path / "weights").mkdir()
    given = {"init_from": tmp_path / "weights", "pool": tmp_path, "output_dir": tmp_path / "out"}
    words = [f"{key}={value}" for key, value in given.items() if not word.startswith(f"{key}=")]
    assert main(["benchmark", "repulsion", *words, word]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 2 and message in " ".join(error)
    assert not (tmp_path / "out").exists()

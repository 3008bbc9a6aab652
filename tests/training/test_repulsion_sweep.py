"""The sweep of L_RDE's factor: its commands, its table, its words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import hydra
import pandas as pd
import pytest
from omegaconf import OmegaConf

from reworld_agent.benchmarks import repulsion_sweep
from reworld_agent.core.arguments import parse
from reworld_agent.core.errors import ConfigError
from reworld_agent.training.chain import Command
from reworld_agent.training.hydra_stage import StageCallback
from reworld_agent.training.stages import load_stage


def test_every_factor_is_trained_and_scored_once(tmp_path: Path) -> None:
    pool, ran = tmp_path / "pool.parquet", []
    pool.touch()

    def run(command: Command) -> int:
        ran.append(command)
        folder = Path(next(w for w in command.words if w.startswith("output_dir=")).split("=")[1])
        if command.name.startswith("score"):
            folder.mkdir(parents=True)
            rows = {"token": ["a", "average"], "valid": [True, True], "score": [0.5, 0.5]}
            pd.DataFrame(rows).to_csv(folder / repulsion_sweep.SCORES, index=False)
        return 0

    given = [f"init_from={tmp_path}", f"pool={pool}", f"output_dir={tmp_path}", "seeds=2"]
    given += ["factors=0.02,0.1", "frame_interval=4"]
    words = parse(given, repulsion_sweep.KNOWN, "")
    assert repulsion_sweep._sweep(words, run) == 0
    assert [c.name.split()[0] for c in ran] == ["train", "score"] * 4
    factors = [w for c in ran for w in c.words if w.startswith("+agent.overrides.weights")]
    assert [text.split("repulsion:")[1] for text in factors] == ["0.02}", "0.1}"] * 2
    sparse = [w.endswith("frame_interval=4") for c in ran for w in c.words[-1:]]
    assert sparse == [True, False] * 4, "of training alone"
    table = pd.read_parquet(tmp_path / "repulsion.parquet")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "repulsion.csv"), table)
    assert (tmp_path / "repulsion.png").stat().st_size
    assert list(table["factor"]) == [0.02, 0.1] * 2 and list(table["seed"]) == [0, 0, 1, 1]
    assert repulsion_sweep._sweep(words, run) == 0 and len(ran) == 8, "a finished sweep is read"


def test_its_trainings_are_stage_3_with_the_factor(tmp_path: Path) -> None:
    more = ["trainer.params.max_steps=2"]
    chain = repulsion_sweep.commands(tmp_path, tmp_path, tmp_path, [0.03], [1], more=more)
    with hydra.initialize_config_module("navsim_configs", version_base="1.3"):
        words = list(chain[0].words)
        cfg = hydra.compose("reworld_run_training", words, return_hydra_config=True)
    StageCallback(cfg.stage).merge(cfg)
    stage = load_stage("3", overrides=OmegaConf.to_container(cfg.agent.overrides))
    paper = load_stage("3")
    assert stage == replace(paper, weights=replace(paper.weights, repulsion=0.03))
    assert cfg.seed == 1 and cfg.trainer.params.max_steps == 2


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ("nan", "nan is no factor"),
        ("0.1,-1", "-1 is no factor"),
        ("0.1,0.10", "names 0.1 twice"),
        ("a", "are no numbers"),
    ],
)
def test_factors_that_cannot_be(factors: str, message: str, tmp_path: Path) -> None:
    """Of a pool that is a folder."""
    given = [f"init_from={tmp_path}", f"pool={tmp_path}", f"factors={factors}"]
    with pytest.raises(ConfigError, match=message):
        repulsion_sweep._sweep(parse(given, repulsion_sweep.KNOWN, ""), lambda command: 0)


def test_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert repulsion_sweep.main(["--help"]) == 0 and "example" in capsys.readouterr().out
    assert repulsion_sweep.main([]) == 2
    assert repulsion_sweep.main([f"init_from={tmp_path}", f"pool={tmp_path / 'none'}"]) == 1
    assert "none is missing" in capsys.readouterr().err

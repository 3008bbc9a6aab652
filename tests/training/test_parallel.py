"""Two processes on the CPU (gloo) learn what one learns; mistakes about processes are named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from reworld_agent.config import load_model_config
from reworld_agent.core.errors import ConfigError
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives.pool import write_pool
from reworld_agent.objectives.sharded_rng import ShardedRng
from reworld_agent.training import run
from reworld_agent.training.loop.parallel import shares, world_size
from reworld_agent.training.settings import LightningSettings
from tests.scenes.small_logs import SPLIT
from tests.training.test_data import small_loader
from tests.training.test_run import config
from tests.training.test_table2_stage import write_table
from tests.training.two_processes import TERMS, words

ROOT = Path(__file__).resolve().parents[2]


def history(folder: Path) -> dict[str, list[float]]:
    """What TensorBoard has of a run: the values of every term, step by step."""
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {name: [e.value for e in events.Scalars(f"train/{name}")] for name in TERMS}


@pytest.mark.slow  # each process imports torch and Lightning, and trains six times
def test_two_processes_learn_what_one_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    loader = small_loader(tmp_path)
    model = ReWorldModel(load_model_config("tiny"))
    torch.nn.init.normal_(model.codec.components, std=0.01)
    torch.nn.init.normal_(model.action_dit.proj_out.weight, std=0.1)
    model.history = ["statistics", "1", "planner", "2"]
    model.save_pretrained(tmp_path / "start" / "weights")
    tokens = loader.tokens[::2]  # the others have no negative: counts differ between processes
    poses = [np.full(24, 3.0)] * len(tokens)
    rows = pd.DataFrame({"token": tokens, "candidate": "0", "score": 0.1, "poses": poses})
    write_pool(tmp_path / "pool.parquet", rows, {"split": SPLIT})
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(tmp_path))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path))
    write_table(tmp_path)
    run(config(tmp_path, "3", *words(tmp_path, "one"), "dataloader.params.batch_size=4"))
    script = [str(ROOT / "tests/training/two_processes.py"), str(tmp_path)]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, *script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr  # the first error is the cause
    alone = history(tmp_path / "one")
    assert len(alone["loss"]) == 3
    for strategy in ("ddp", "fsdp2"):
        shared = history(tmp_path / strategy)
        for name in TERMS:
            assert shared[name][0] == pytest.approx(alone[name][0], rel=1e-4, abs=1e-6), name
            # Adam makes a difference of rounding in a small gradient one of a whole step
            assert shared[name] == pytest.approx(alone[name], rel=2e-3, abs=1e-5), name
        trained = ReWorldModel.from_pretrained(tmp_path / strategy / "weights")
        assert trained.history[-1] == "3"
        moved = (trained.action_dit.proj_out.weight - model.action_dit.proj_out.weight).detach()
        assert 0 < float(moved.abs().max()) < 0.01
        resumed = ReWorldModel.from_pretrained(tmp_path / f"{strategy}_resumed" / "weights")
        weights = zip(trained.named_parameters(), resumed.parameters(), strict=True)
        assert not [name for (name, one), other in weights if not torch.equal(one, other)]
        assert history(tmp_path / f"{strategy}_resumed") == shared  # no step was done twice
        averaged = [
            ReWorldModel.from_pretrained(tmp_path / f"{name}" / "weights_ema")
            for name in (strategy, f"{strategy}_resumed", "one")
        ]
        states = [model.state_dict() for model in averaged]
        assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
        for name, value in states[2].items():
            torch.testing.assert_close(states[0][name], value, rtol=1e-2, atol=2e-3)
        assert not torch.equal(
            states[0]["action_dit.proj_out.weight"], trained.action_dit.proj_out.weight
        )
    assert done.stdout.count("power cut") == 4  # two strategies, two processes
    tables = [pd.read_csv(tmp_path / name / "validation.csv") for name in ("one", "ddp", "fsdp2")]
    assert tables[0]["step"].tolist() == [3] and "ade_m" in tables[0]
    for table in tables[1:]:  # of weights that differ by what Adam made of rounding
        pd.testing.assert_frame_equal(table[list(tables[0])], tables[0], rtol=2e-3, atol=1e-4)
    baseline = pd.read_csv(tmp_path / "baseline" / "validation.csv")
    assert np.isfinite(baseline["velocity_error"]).all() and len(baseline) == 1
    assert ReWorldModel.from_pretrained(tmp_path / "baseline" / "weights_ema").history == ["1"]


def test_shares_of_the_numbers_are_those_of_one_process() -> None:
    like = torch.zeros(1)

    def draw(rank: int, world: int) -> list[torch.Tensor]:
        rng = ShardedRng(torch.Generator().manual_seed(3), rank, world)
        size = 6 // world
        return [
            rng.normal((size, 5), like),
            rng.times((size, 4), "uniform", like),
            rng.token_times(size, 2, 3, "frame", "logit_normal", like),
        ]

    whole, parts = draw(0, 1), [draw(rank, 2) for rank in (0, 1)]
    for number, expected in enumerate(whole):
        together = torch.stack([part[number] for part in parts], dim=1).flatten(0, 1)
        assert torch.equal(together, expected)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((64, 8, None), (8, 1)), ((64, 8, 2), (2, 4)), ((16, 1, 20), (20, 1)), ((4, 2, 2), (2, 1))],
)
def test_a_batch_is_shared_out(arguments: Any, expected: tuple[int, int]) -> None:
    assert shares(*arguments) == expected


@pytest.mark.parametrize("arguments", [(16, 3, None), (16, 2, 3), (2, 4, None)])
def test_a_batch_that_cannot_be_shared_out_is_refused(arguments: Any) -> None:
    with pytest.raises(ConfigError, match="cannot be shared out to"):
        shares(*arguments)


def test_processes_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match="no CUDA device is here"):
        world_size(LightningSettings(accelerator="gpu"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match="devices=3, but 2 CUDA devices"):
        world_size(LightningSettings(accelerator="cuda", devices=3))
    assert world_size(LightningSettings(accelerator="cuda", devices="auto", num_nodes=2)) == 4
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ConfigError, match=r"torchrun started 3 processes, .*devices=2"):
        world_size(LightningSettings(accelerator="cpu", devices=2))

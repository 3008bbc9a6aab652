"""Whole runs in each way that fits: all stages of both recipes, one process and two, killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reworld_agent.benchmarks.model.memory import process_bytes, rss_plan
from reworld_agent.config import load_model_config
from reworld_agent.core.extras import is_installed
from reworld_agent.model import ReWorldModel
from reworld_agent.training.loop.resume import finished_steps
from reworld_agent.training.memory.account import run_counted
from tests.training.fit_processes import CHAIN, train_chain, train_stage
from tests.training.test_data import small_loader
from tests.training.test_run import pool
from tests.training.variants import add_side_cameras, model_file

ROOT = Path(__file__).resolve().parents[2]
# every run imports torch and Lightning, and trains
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small split, a pool, and weights of both recipes that have passed the statistics."""
    torch.set_num_threads(1)
    small_loader(tmp_path)
    add_side_cameras(tmp_path)
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(tmp_path))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path))
    pool(tmp_path)
    start_weights(tmp_path, "tiny")
    return tmp_path


def start_weights(root: Path, model: str) -> None:
    """Random weights of both recipes that have passed the statistics."""
    for recipe in ("paper", "release"):
        torch.manual_seed(0)
        fresh = ReWorldModel(load_model_config(model, recipe))
        torch.nn.init.normal_(fresh.codec.components, std=0.01)
        torch.nn.init.normal_(fresh.action_dit.proj_out.weight, std=0.1)
        fresh.history = ["statistics"]
        fresh.save_pretrained(root / f"start_{recipe}" / "weights")


def launch(
    root: Path, what: str, *words: str, processes: int = 2
) -> subprocess.CompletedProcess[str]:
    """Processes that torchrun starts."""
    script = [str(ROOT / "tests/training/fit_processes.py"), str(root), what, *words]
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
    ]
    command += [f"--nproc-per-node={processes}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *script], capture_output=True, text=True, env=environment)


def passed(folder: Path) -> list[str]:
    return ReWorldModel.from_pretrained(folder / "weights").history


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true"])
@pytest.mark.parametrize("recipe", ["paper", "release"])
def test_every_stage_in_one_process(root: Path, recipe: str, precision: str) -> None:
    more = [f"trainer.params.precision={precision}", "gradient_checkpointing=2"]
    if precision == "bf16-true" and recipe == "release":
        more.append("+agent.overrides.ema_decay=null")
    train_chain(root, recipe, "one", *more)
    assert passed(root / f"one_{recipe}_3") == ["statistics", *CHAIN]
    averaged = recipe == "release" and precision != "bf16-true"
    assert (root / f"one_{recipe}_3" / "weights_ema").is_dir() == averaged


@pytest.mark.parametrize("model", ["tiny", "wan_three"])
def test_every_stage_in_two_processes_and_a_kill(root: Path, model: str) -> None:
    words = []
    if model != "tiny":
        file = model_file(root, model)
        start_weights(root, str(file))
        words.append(f"model={file}")
    done = launch(root, "chains", *words)
    assert done.returncode == 0, done.stderr
    for strategy in ("ddp", "fsdp2"):
        for recipe in ("paper", "release"):
            assert passed(root / f"{strategy}_{recipe}_3") == ["statistics", *CHAIN]
        assert (root / f"{strategy}_release_3" / "weights_ema").is_dir()
    assert (root / "fsdp2_lora" / "adapter" / "video_dit" / "adapter_model.safetensors").is_file()
    for strategy in ("ddp", "fsdp2"):
        assert launch(root, f"{strategy}_straight", *words).returncode == 0
        assert launch(root, f"{strategy}_killed", *words).returncode != 0
        assert not (root / f"{strategy}_killed" / "weights").exists()
        done = launch(root, f"{strategy}_killed", *words)
        assert done.returncode == 0, done.stderr
        for folder in ("weights", "weights_ema"):
            states = [
                ReWorldModel.from_pretrained(root / f"{strategy}_{name}" / folder).state_dict()
                for name in ("straight", "killed")
            ]
            assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize(("group", "processes"), [(1, 2), (2, 4)])
def test_copies_of_shards_and_a_preemption(root: Path, group: int, processes: int) -> None:
    """Two copies of weights sharded by `group` processes; a scheduler takes the machines back."""
    train_chain(root, "release", "ddp", "trainer.params.max_steps=1")
    name, folder = f"hsdp:{group}", root / f"hsdp_{group}"
    done = launch(root, f"{name}_straight", processes=processes)
    assert done.returncode == 0, done.stderr
    assert launch(root, f"{name}_asked", processes=processes).returncode != 0
    asked = root / f"{folder.name}_asked"
    assert finished_steps(asked / "checkpoints" / "last.ckpt") in (2, 3)  # no multiple of 100
    done = launch(root, f"{name}_asked", processes=processes)
    assert done.returncode == 0, done.stderr
    straight = root / f"{folder.name}_straight"
    for weights in ("weights", "weights_ema"):
        states = [ReWorldModel.from_pretrained(run / weights) for run in (straight, asked)]
        one, other = (model.state_dict() for model in states)
        assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("word", ["lora.rank=2", "compile=true", "optimizer=adamw8bit"])
def test_every_way_to_fit_trains(root: Path, word: str) -> None:
    if word.endswith("8bit") and not is_installed("bitsandbytes"):
        pytest.skip("bitsandbytes is not installed")
    train_stage(root, "1", "paper", root / "start_paper", root / "out", word)
    trained = ReWorldModel.from_pretrained(root / "out" / "weights")
    start = ReWorldModel.from_pretrained(root / "start_paper" / "weights")
    moved = [n for n, p in trained.named_parameters() if not torch.equal(p, start.get_parameter(n))]
    assert trained.history == ["statistics", "1"] and moved
    if word.startswith("lora"):
        assert all(name.split(".")[-2] in ("to_q", "to_k", "to_v") for name in moved)


@pytest.mark.parametrize("level", ["none", "all"])
@pytest.mark.parametrize("stage", ["1", "planner"])
def test_the_accounting_is_what_a_process_takes(stage: str, level: str) -> None:
    plan = rss_plan(stage, level)
    assert run_counted(plan).total == pytest.approx(process_bytes(plan), rel=0.1)

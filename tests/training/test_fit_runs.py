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
from tests.evaluation.fakes import FakeScorer
from tests.training.fit_processes import CHAIN, WAYS, train_chain, train_stage
from tests.training.test_run import pool
from tests.training.variants import mine, model_file, scores, split_of_three

ROOT = Path(__file__).resolve().parents[2]
# every run imports torch and Lightning, and trains
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small split, a pool, and weights of both recipes that have passed the statistics."""
    split_of_three(tmp_path, monkeypatch)
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


def of_model(root: Path, model: str) -> list[str]:
    """Words that say which model; random weights of it, if it is a file of ours."""
    if model == "tiny":
        return []
    file = model_file(root, model)
    start_weights(root, str(file))
    return [f"model={file}"]


@pytest.mark.parametrize("model", ["tiny", "wan_three"])
def test_every_stage_in_two_processes(
    root: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = of_model(root, model)
    done = launch(root, "chains", *chosen)
    assert done.returncode == 0, done.stderr
    FakeScorer().install(monkeypatch)  # six scenes in the middle of nowhere: no map to score on
    for strategy in ("ddp", "fsdp2"):
        for recipe in ("paper", "release"):
            runs = [root / f"{strategy}_{recipe}_{name}" for name in ("3", *WAYS)]
            assert [passed(run) for run in runs] == [["statistics", *CHAIN]] * len(runs)
            assert all((run / "weights_ema").is_dir() == (recipe == "release") for run in runs)
            adapter = root / f"{strategy}_{recipe}_lora" / "adapter" / "video_dit"
            assert (adapter / "adapter_model.safetensors").is_file()
            for run in runs:
                used = *chosen, f"recipe={recipe}"
                mine(root, run / "weights", *used)
                scores(root, run / "weights", *used)


@pytest.mark.parametrize(
    ("model", "strategy", "recipe"),
    [
        ("tiny", "ddp", "paper"),
        ("tiny", "fsdp2", "release"),
        ("wan_three", "ddp", "release"),
        ("wan_three", "fsdp2", "paper"),
    ],
)
def test_every_stage_goes_on_after_a_kill(
    root: Path, model: str, strategy: str, recipe: str
) -> None:
    words = of_model(root, model)
    name = f"{strategy}_{recipe}"
    done = launch(root, f"{name}_straight", *words)
    assert done.returncode == 0, done.stderr
    for stage in CHAIN:
        done = launch(root, f"{name}_killed", *words)
        assert done.returncode != 0
        killed = root / f"{strategy}_killed_{recipe}_{stage}"
        assert (killed / "checkpoints" / "last.ckpt").is_file(), done.stderr
        assert not (killed / "weights").exists()
    done = launch(root, f"{name}_killed", *words)
    assert done.returncode == 0, done.stderr
    for stage in CHAIN:
        runs = [root / f"{strategy}_{kind}_{recipe}_{stage}" for kind in ("straight", "killed")]
        same(*(run / "weights" for run in runs))
        if recipe == "release" and stage != "1":
            same(*(run / "weights_ema" for run in runs))


def same(one: Path, other: Path) -> None:
    """Two folders hold the same weights, bit for bit."""
    states = [ReWorldModel.from_pretrained(folder).state_dict() for folder in (one, other)]
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
    for weights in ("weights", "weights_ema"):
        same(root / f"{folder.name}_straight" / weights, asked / weights)


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

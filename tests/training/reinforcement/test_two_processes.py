"""Two processes (gloo) draw, score and learn what one does with the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from reworld_agent.model import ReWorldModel
from reworld_agent.training import run, stage_run
from tests.training.reinforcement.worlds import caches, start, words
from tests.training.test_data import small_loader
from tests.training.test_run import config

ROOT = Path(__file__).resolve().parents[3]
TERMS = ("policy", "reward", "reward_driven", "flat", "kl", "gradient_norm")


def history(folder: Path) -> dict[str, list[float]]:
    """What TensorBoard has of a run."""
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {name: [e.value for e in events.Scalars(f"train/{name}")] for name in TERMS}


@pytest.mark.slow  # each process imports torch and Lightning
def test_two_processes_learn_what_one_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    worlds = caches(small_loader(tmp_path).tokens)
    start(tmp_path / "start")
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(tmp_path))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path))
    monkeypatch.setattr(stage_run, "split_caches", lambda split: worlds)
    run(config(tmp_path, "4", *words(tmp_path, "one")))
    script = [str(ROOT / "tests/training/reinforcement/two_processes.py"), str(tmp_path)]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, *script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("power cut") == 2
    alone, shared = history(tmp_path / "one"), history(tmp_path / "ddp")
    for name in TERMS:
        assert shared[name] == pytest.approx(alone[name], rel=1e-2, abs=1e-4), name
    models = [
        ReWorldModel.from_pretrained(tmp_path / name / "weights")
        for name in ("one", "ddp", "resumed")
    ]
    one, ddp, resumed = (dict(model.action_dit.named_parameters()) for model in models)
    for name, value in ddp.items():
        assert torch.equal(value, resumed[name]), name
        torch.testing.assert_close(value, one[name], rtol=2e-2, atol=2e-3)
    assert history(tmp_path / "resumed") == shared

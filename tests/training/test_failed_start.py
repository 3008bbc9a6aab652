"""Processes of a run that do not all come to its start, or come with different code."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.model.micro import micro_model
from tests.training.test_run import words
from tests.training.variants import model_file, split_of_three

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow  # processes import torch and Lightning
# Starts a process of a run, as torchrun does, and waits for it.
STARTER = (
    "import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); p.wait()"
)


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of a run of two processes that could start."""
    split_of_three(tmp_path, monkeypatch)
    file = model_file(tmp_path, "ltx")
    model = micro_model()
    model.save_pretrained(tmp_path / "start")
    more = [f"model={file}", f"agent.init_from={tmp_path / 'start'}", "validation.every=0"]
    more += ["trainer.params.devices=2", "trainer.params.strategy=ddp"]
    return words(tmp_path, "1", *more)


def command(tree: Path, given: list[str]) -> list[str]:
    return [sys.executable, str(tree / "run_training.py"), *given]


def environment(rank: int, port: int, tree: Path = ROOT) -> dict[str, str]:
    """What torchrun tells one of two processes; `tree` has the code that it runs."""
    told = {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0, "WORLD_SIZE": 2}
    told |= {"LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
    names = {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "x", "PYTHONPATH": str(tree)}
    return {**os.environ, **names, **{name: str(value) for name, value in told.items()}}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_whose_other_never_comes_ends_when_it_is_told(
    sent: signal.Signals, given: list[str]
) -> None:
    """SIGTERM to it, as torchrun does when another has failed; or torchrun itself is killed."""
    port = free_port()
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, *command(ROOT, given)],
        env=environment(0, port),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None and starter.stderr is not None
    waiting = int(starter.stdout.readline())
    while True:  # until it listens for the other
        assert starter.poll() is None, starter.stderr.read()
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.2)
    time.sleep(1)
    assert lives(waiting)
    os.kill(waiting if sent == signal.SIGTERM else starter.pid, sent)
    end = time.monotonic() + 5
    while lives(waiting) and time.monotonic() < end:
        time.sleep(0.05)
    still = lives(waiting)
    if still:
        os.kill(waiting, signal.SIGKILL)
    starter.wait()
    assert not still


def test_processes_of_different_code_end_and_say_so(given: list[str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("reworld_agent", "train", "navsim_configs", "hydra_plugins"):
        shutil.copytree(ROOT / name, other / name, ignore=ignored)
    shutil.copy(ROOT / "run_training.py", other)
    with (other / "reworld_agent" / "core" / "text.py").open("a") as file:
        file.write("# changed on this machine\n")
    port = free_port()
    processes = [
        subprocess.Popen(
            command(tree, given),
            env=environment(rank, port, tree),
            cwd=tree,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, tree in enumerate((ROOT, other))
    ]
    for process in processes:
        said = process.communicate(timeout=240)[1]
        assert process.returncode == 1, said
        assert "error: process 1 has other code of ReWorld than process 0" in said
        assert "next: install the same version on every machine" in said and "Traceback" not in said
    assert not (tmp_path / "1" / "weights").exists()

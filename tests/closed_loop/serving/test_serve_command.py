"""`reworld serve driver`: words, the address that is taken, a service that ends when asked to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("carla_driver_interface", reason="the extra `loop` is not installed")

from carla_driver_interface.testing import FakeCamera, FakeLoop

from reworld_agent.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("agent=constant_velocity address=here", "address=here must end in a port"),
        ("agent=constant_velocity rate_hz=0", "rate_hz=0 must be"),
        ("agent=constant_velocity cameras.cam_f9=x", "did you mean cameras.cam_"),
        ("agent=constant_velocity adress=1", "did you mean address=?"),
        ("agent=reworld agent.checkpoint_path=absent", "absent: no such file or folder"),
    ],
)
def test_wrong_words_end_with_2(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "driver", *words.split()]) == 2
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_ends_with_2_and_the_next_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = ["serve", "driver", "agent=constant_velocity", f"address=127.0.0.1:{port}"]
        assert main(words) == 2
    said = capsys.readouterr().err
    assert f"error: address=127.0.0.1:{port} is taken by another process" in said
    assert f"next: choose another: address=127.0.0.1:{port + 1}" in said
    assert not list(tmp_path.iterdir())  # nothing is written: the evaluator's disk is read-only


def test_it_says_where_it_listens_serves_and_ends(tmp_path: Path) -> None:
    given = [f"address=unix:{tmp_path}/s", "agent=constant_velocity"]
    command = [sys.executable, "-m", "reworld_agent.cli.main", "serve", "driver", *given]
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == f"constant_velocity listens on unix:{tmp_path}/s\n"
        with FakeLoop(f"unix:{tmp_path}/s", [FakeCamera(width=32, height=18)]) as loop:
            assert loop.run(3).steps == 3
        service.send_signal(signal.SIGTERM)
        assert service.wait(20) == 143
    assert not list(tmp_path.iterdir())

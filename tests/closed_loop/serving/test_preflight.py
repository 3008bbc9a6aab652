"""`reworld doctor alpasim`: what AlpaSim's challenge asks of a driver."""

from __future__ import annotations

import json
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("carla_driver_interface", reason="the extra `loop` is not installed")

from reworld_agent.cli.main import main
from reworld_agent.closed_loop.serving import preflight
from reworld_agent.closed_loop.serving.trial_drives import Trial
from reworld_agent.core.findings import FAIL, OK, WARN


def test_an_agent_that_does_what_is_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["agent=constant_velocity", "drives=5", "json=true"]
    assert main(["doctor", "alpasim", *words]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["drives over TCP"]["what"].startswith("5 of 5 answered, no error")
    assert found["drives over a Unix socket"]["status"] == OK
    assert found["two sessions at once"]["status"] == OK
    assert {"contract", "latency", "memory", "network", "disk"} <= set(found)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("agent=human", "the agent 'human' reads the whole scene"),
        ("agent=constant_velocity agent.speed=3", "Could not override 'agent.speed'"),
    ],
)
def test_an_agent_that_cannot_drive_fails(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "alpasim", *words.split()]) == 1
    assert said in capsys.readouterr().out


def test_settings_of_others_have_no_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "alpasim", "checkpoint_path=."]) == 2
    assert main(["doctor", "drives=5"]) == 2
    assert "drives= has no meaning with environment" in capsys.readouterr().err


def _statuses(trial: Trial, wanted: int = 10) -> list[str]:
    return [finding.status for finding in preflight._drives(trial, wanted)]


def test_late_answers_errors_and_stops_are_told_apart() -> None:
    fast: dict[str, Any] = {"seconds": [0.05] * 10, "cpu_seconds": [0.04] * 10}
    assert _statuses(Trial("127.0.0.1:1", **fast)) == [OK, OK]
    assert _statuses(Trial("127.0.0.1:1", [0.3] * 10, [0.04] * 10)) == [OK, WARN]
    assert _statuses(Trial("127.0.0.1:1", [0.3] * 10, [0.28] * 10)) == [OK, FAIL]
    assert _statuses(Trial("unix:a", **fast, stops=Counter({"late": 2}))) == [FAIL, OK]
    assert _statuses(Trial("unix:a", **fast, errors=Counter({"NOT_FOUND": 1}))) == [FAIL, OK]


def test_calls_to_other_machines_are_seen() -> None:
    with preflight._Watch() as watch:
        for host in ("127.0.0.1", "203.0.113.7"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                one.connect((host, 9))  # UDP: nothing is sent
    assert watch.reached == ["203.0.113.7"]
    assert preflight._network(watch.reached).status == FAIL
    assert preflight._network([]).status == OK


def test_what_is_written_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = preflight._written()
    assert preflight._disk(before).status == OK
    (tmp_path / "model.cache").touch()
    found = preflight._disk(before)
    assert found.status == FAIL and "model.cache" in found.what

"""`reworld doctor`: words, exit codes, JSON, colours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reworld_agent.cli import main as cli
from reworld_agent.cli.commands import doctor as doctor_command
from reworld_agent.core.findings import FAIL, OK, WARN, Finding
from reworld_agent.doctor import DoctorSettings, checks


def _names(**settings: Any) -> list[str]:
    chosen = checks.choose(DoctorSettings(**settings))
    return [getattr(check, "__name__", "") for check in chosen]


def test_settings_choose_the_checks(tmp_path: Path) -> None:
    assert "check_golden" in _names() and "check_data" not in _names()
    assert _names(subject="gpu") == ["check_gpu"]
    data = _names(subject="data", train_test_split="town_test", agent="human")
    assert data == ["check_data"]
    everything = _names(subject="all", agent="human", checkpoint_path=tmp_path)
    assert set(everything) >= {"check_golden", "check_data", "check_caches", "check_gpu"}
    assert everything.count("check_weights") == 1


def test_settings_of_a_run_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[DoctorSettings] = []
    monkeypatch.setattr(
        doctor_command.doctor, "examine", lambda own: [*map(seen.append, [own])][:0]
    )
    words = ["data", "split=mini", "agent=human", "agent.model=paper", "train_test_split.x=[1,2]"]
    assert cli.main(["doctor", *words]) == 0
    overrides = ["agent=human", "train_test_split.data_split=mini"]
    assert checks.overrides_of(seen[0]) == [
        *overrides,
        "agent.model=paper",
        "train_test_split.x=[1,2]",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dta"], "did you mean data?"),
        (["data", "gpu"], "cannot read gpu"),
        (["weights", "agent=human"], "agent= has no meaning with weights"),
        (["-x"], "cannot read -x"),
        (["data", "agnet=human"], "did you mean agent=?"),
        (["data", "stage=5"], "one of 1, planner, 2, 3, 4"),
        (["weights", "path=absent"], "checkpoint_path=absent: no such folder"),
        (["weights", f"path={__file__}"], "test_command.py is not a folder"),
    ],
)
def test_unknown_words_are_wrong_usage(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["doctor", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("status", "code"), [(OK, 0), (WARN, 0), (FAIL, 1)])
def test_exit_code_and_json(
    status: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finding = Finding("lamp", status, "[red]broken[/red]", "screw it in")
    monkeypatch.setattr(checks, "choose", lambda settings: [lambda: finding])
    assert cli.main(["doctor", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == [
        {"name": "lamp", "status": status, "what": "[red]broken[/red]", "fix": "screw it in"}
    ]
    assert cli.main(["doctor"]) == code
    out = capsys.readouterr().out
    assert "lamp: [red]broken[/red]" in out and "\x1b" not in out
    assert ("next: screw it in" in out) == (status != OK)


def test_no_color_is_honoured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    lamp = Finding("lamp", FAIL, "off")
    monkeypatch.setattr(checks, "choose", lambda settings: [lambda: lamp])
    monkeypatch.setenv("FORCE_COLOR", "1")
    cli.main(["doctor"])
    assert "\x1b[" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    cli.main(["doctor"])
    assert "\x1b[3" not in capsys.readouterr().out


def test_real_run_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "json=true"]) == 0
    found = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert set(found) >= {"golden scene", "navsim", "libraries", "linear algebra", "gpu"}
    assert all(finding["fix"] or finding["status"] == OK for finding in found.values())

"""`reworld doctor`: words, exit codes, JSON, colours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reworld_agent.cli import main as cli
from reworld_agent.core.findings import FAIL, OK, WARN, Finding
from reworld_agent.doctor import command


def _names(*words: str) -> list[str]:
    return [getattr(check, "__name__", "") for check in command.choose(words)]


def test_words_choose_the_checks(tmp_path: Path) -> None:
    assert "check_golden" in _names() and "check_data" not in _names()
    assert _names("gpu") == ["check_gpu"]
    assert _names("data", "split=town_test", "agent=human") == ["check_data"]
    everything = _names("all", "agent=human", f"path={tmp_path}")
    assert set(everything) >= {"check_golden", "check_data", "check_caches", "check_gpu"}
    assert everything.count("check_weights") == 1


@pytest.mark.parametrize("words", [["dta"], ["data", "gpu"], ["weights", "agent=human"], ["-x"]])
def test_unknown_words_are_wrong_usage(words: list[str], capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["doctor", *words]) == 2
    assert "reworld doctor [" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "code"), [(OK, 0), (WARN, 0), (FAIL, 1)])
def test_exit_code_and_json(
    status: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finding = Finding("lamp", status, "[red]broken[/red]", "screw it in")
    monkeypatch.setattr(command, "choose", lambda words: [lambda: finding])
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
    monkeypatch.setattr(command, "choose", lambda words: [lambda: Finding("lamp", FAIL, "off")])
    monkeypatch.setenv("FORCE_COLOR", "1")
    cli.main(["doctor"])
    assert "\x1b[" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    cli.main(["doctor"])
    assert "\x1b[3" not in capsys.readouterr().out


def test_real_run_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--json"]) == 0
    found = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert set(found) >= {"golden scene", "navsim", "libraries", "linear algebra", "gpu"}
    assert all(finding["fix"] or finding["status"] == OK for finding in found.values())

"""`reworld doctor`: an installation whose scores cannot be trusted is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reworld_agent import cli, doctor, pdm
from reworld_agent.errors import ReWorldError


def test_golden_scene_scores_as_shipped() -> None:
    assert doctor.golden_deviation() <= doctor.GOLDEN_TOLERANCE
    doctor.require_golden()


@pytest.mark.parametrize("error", [1e-3, float("nan")])
def test_deviating_scores_are_refused(monkeypatch: pytest.MonkeyPatch, error: float) -> None:
    score = pdm.score

    def wrong(*args: object, **kwargs: object) -> dict:
        result = score(*args, **kwargs)  # type: ignore[arg-type]
        return {key: value + error for key, value in result.items()}

    monkeypatch.setattr(pdm, "score", wrong)
    with pytest.raises(ReWorldError, match="refusing to score"):
        doctor.require_golden()
    assert doctor.main() == 1


def test_broken_pinv_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.check_linear_algebra().level == "ok"
    pinv = np.linalg.pinv
    monkeypatch.setattr(np.linalg, "pinv", lambda matrix: 0.9 * pinv(matrix))
    finding = doctor.check_linear_algebra()
    assert finding.level == "error"
    assert "numpy" in finding.mend


def test_a_check_that_fails_is_an_error_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def check_disk() -> doctor.Finding:
        raise OSError("no such device")

    monkeypatch.setattr(doctor, "CHECKS", (check_disk,))
    assert doctor.diagnose() == [doctor.Finding("disk", "error", "OSError: no such device")]


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert {finding["check"] for finding in findings} >= {"golden scene", "navsim", "libraries"}
    assert cli.main(["synth", "split=nowhere"]) == 1
    with pytest.raises(SystemExit):
        cli.main(["fly"])

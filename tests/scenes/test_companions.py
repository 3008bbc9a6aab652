"""What is judged on where nothing is named: the same towns, never other data in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reworld_agent.benchmarks.evidence import OracleRun
from reworld_agent.cli.main import main
from reworld_agent.core.errors import UsageError
from reworld_agent.scenes.roots import beside, companion
from reworld_agent.scenes.synthetic import SPLITS
from reworld_agent.training.codec.settings import CodecTrainSettings
from reworld_agent.training.control.settings import ControlSettings
from reworld_agent.training.demo_settings import TrainDemoSettings
from reworld_agent.training.gate.settings import GateSettings
from reworld_agent.training.latent_actions.settings import ActionTrainSettings
from reworld_agent.video_metrics.probe.settings import ProbeSettings


def test_a_companion_is_of_the_same_version() -> None:
    assert companion("town_train", "val") == "town_val"
    assert companion("town6_evidence", "train") == "town6_train"
    assert companion("town6_val", "val") is None and companion("navtrain", "val") is None
    for split in SPLITS:
        other = companion(split, "train")
        assert other is None or SPLITS[other].version == SPLITS[split].version


def test_what_is_named_counts() -> None:
    assert beside("town_test", "town6_train", "val", "held_out") == "town_test"
    with pytest.raises(UsageError, match="town6_trian"):
        beside(None, "town6_trian", "val", "held_out")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for outputs; logs of the user's own, in a split `mine`."""
    (tmp_path / "navsim_logs" / "mine").mkdir(parents=True)
    (tmp_path / "navsim_logs" / "mine" / "log.pkl").touch()
    (tmp_path / "maps").mkdir()
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(tmp_path))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(tmp_path / "maps"))
    return tmp_path


ASKED: dict[str, tuple[Callable[..., Any], str, Callable[[Any], str], str]] = {
    "oracle": (OracleRun, "data_split", lambda s: s.tested, "test"),
    "codec": (CodecTrainSettings, "data_split", lambda s: s.validated, "val"),
    "control": (ControlSettings, "data_split", lambda s: s.validated, "val"),
    "actions": (ActionTrainSettings, "data_split", lambda s: s.validated, "val"),
    "demo": (TrainDemoSettings, "data_split", lambda s: s.tested, "test"),
    "gate": (GateSettings, "fit_split", lambda s: s.judged, "val"),
    "probe": (ProbeSettings, "train_data_split", lambda s: s.tested, "test"),
}


@pytest.mark.parametrize("name", ASKED)
def test_every_command_judges_on_the_towns_that_it_learns_from(name: str, own: Path) -> None:
    kind, word, judged_on, part = ASKED[name]
    given: dict[str, Any] = {}
    if name in ("codec", "control", "actions"):
        given["checkpoint_path"] = own / "navsim_logs"
    given["output" if name in ("gate", "probe") else "output_dir"] = own / "out"
    if name == "demo":
        del given["output_dir"]
    assert judged_on(kind(**given, **{word: "town6_train"})) == f"town6_{part}"
    with pytest.raises(UsageError, match=r"= is missing: none is known beside mine\n"):
        kind(**given, **{word: "mine"})


def test_the_gate_fits_on_the_towns_that_it_judges(own: Path) -> None:
    gate = GateSettings(split="town6_evidence", output=own / "gate")
    assert (gate.judged, gate.fitted) == ("town6_evidence", "town6_train")
    plain = GateSettings(output=own / "gate")
    assert (plain.judged, plain.fitted) == ("town_val", "town_train")


def test_it_is_said_before_anything_is_read(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evidence", "oracle", "data_split=mine", f"output_dir={own / 'out'}"]
    assert main(words) == 2
    assert "test_split= is missing: none is known beside mine" in capsys.readouterr().err

"""Eq. 2's condition by default: sentences wherever a T5 or its cache is at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from reworld_agent.core.errors import UsageError
from reworld_agent.scenes.split_settings import SplitSettings
from reworld_agent.training.choices import ClipChoice, RepresentationChoice, StageChoice
from reworld_agent.training.text_source import VARIABLE
from reworld_agent.training.train_run import TrainRun
from tests.video.test_text import write_t5


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 of the tiny model's width."""
    return write_t5(tmp_path_factory.mktemp("t5"), width=32)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and no T5 in the environment."""
    monkeypatch.setenv("REWORLD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path / "home"


def run(tmp_path: Path, **settings: Any) -> TrainRun:
    """The settings of a training of the tiny model."""
    split = SplitSettings(data_split="town_train")
    return TrainRun(train_test_split=split, output_dir=tmp_path / "out", **settings)


def test_without_t5_there_is_no_text(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert found.text.prompts is None and found.config.video.text == "none"


def test_a_t5_at_hand_is_taken(
    tmp_path: Path, home: Path, t5: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(t5))
    found = run(tmp_path)
    assert (found.text.prompts, found.text.t5) == (home / "prompts", t5)
    assert found.config.video.text == "prompt"
    assert run(tmp_path, recipe="release").config.video.text == "none"  # it has no text
    table2 = run(tmp_path, method=RepresentationChoice(protocol="table2"))
    assert table2.text.prompts is None
    chosen = StageChoice(model_overrides={"video": {"text": "none"}})
    assert run(tmp_path, agent=chosen).config.video.text == "none"
    assert run(tmp_path, stage="2").config.video.text == "none"


def test_a_t5_of_another_width_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(write_t5(tmp_path / "narrow", width=16)))
    assert run(tmp_path).text.prompts is None
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"REWORLD_T5=.*nowhere is no folder of T5"):
        run(tmp_path)


def test_a_cache_at_hand_is_taken(tmp_path: Path, home: Path) -> None:
    (home / "prompts").mkdir(parents=True)
    save_file({"tokens": torch.zeros(3, 32)}, home / "prompts" / "a.safetensors")
    assert run(tmp_path).text.prompts == home / "prompts"
    save_file({"tokens": torch.zeros(3, 16)}, home / "prompts" / "a.safetensors")
    assert run(tmp_path).text.prompts is None


def test_named_ones_always_count(tmp_path: Path, home: Path, t5: Path) -> None:
    assert run(tmp_path, clips=ClipChoice(t5=t5)).text.prompts == home / "prompts"
    named = ClipChoice(prompts=tmp_path / "p", t5=t5)
    assert run(tmp_path, recipe="release", clips=named).config.video.text == "prompt"

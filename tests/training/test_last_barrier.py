"""No process leaves a training before the first one has written what it ends with."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import pytest

from reworld_agent.training.loop import engine
from reworld_agent.training.settings import LightningSettings


@pytest.mark.parametrize(
    ("first", "order"), [(True, ["fit", "finish", "barrier"]), (False, ["fit", "barrier"])]
)
def test_all_wait_for_the_first_to_finish(
    first: bool, order: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    strategy = SimpleNamespace(barrier=lambda: seen.append("barrier"))
    trainer = SimpleNamespace(is_global_zero=first, strategy=strategy)
    monkeypatch.setattr(engine, "lightning_trainer", lambda *_, **__: trainer)
    monkeypatch.setattr(engine, "fit", lambda *_, **__: seen.append("fit"))
    monkeypatch.setattr(engine, "finish", lambda *_: seen.append("finish"))
    settings: Any = SimpleNamespace(output_dir=tmp_path, trainer=LightningSettings())
    session = engine.Session("a stage", None, 1.0, {}, ())
    trained = engine.train(session, settings, pl.LightningModule(), ())
    assert seen == order
    assert (trained.weights, trained.is_first) == (tmp_path / "weights", first)

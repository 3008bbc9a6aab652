"""The losses of every stage, against those that were checked in."""

from __future__ import annotations

import json

import pytest

from tests.training.golden import CASES, FILE, STEPS, losses


@pytest.mark.parametrize("stage", CASES)
def test_losses_are_the_golden_ones_and_repeat(stage: str) -> None:
    first = losses(stage)
    assert len(first) == STEPS and first == losses(stage)
    # other processors sum in another order
    assert first == pytest.approx(json.loads(FILE.read_text())[stage], rel=1e-3)

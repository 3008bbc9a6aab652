"""The training loop of the guide runs as it stands, and raises the probability of better plans."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from reworld_agent import pdm
from tests.docs.pages import DOCS
from tests.pdm.reward.test_reward import scenes
from tests.pdm.straight_road import straight


def test_group_relative_advantages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    page = (DOCS / "guides" / "reward.md").read_text(encoding="utf-8")
    loop = next(
        block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "spread" in block
    )
    monkeypatch.chdir(tmp_path)
    cache = scenes()[1]  # a wall ahead: only who creeps scores
    cache.save(tmp_path / "caches" / "s1.npz")
    plans = torch.tensor(np.concatenate([straight(8.0), straight(0.5)]))
    weights = torch.zeros(2, requires_grad=True)

    class Planner:
        def sample(self, features: None, count: int) -> tuple[object, object]:
            chosen = torch.arange(count) % 2
            return plans[chosen][None], weights.log_softmax(0)[chosen][None]

    names = {
        "pdm": pdm,
        "batches": [(["s1"], None)] * 3,
        "planner": Planner(),
        "optimiser": torch.optim.SGD([weights], lr=0.1),
    }
    exec(loop.replace("workers=2", "workers=1"), names)
    assert weights[1] > weights[0]

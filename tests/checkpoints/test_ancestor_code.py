"""DriveLaW's own code and ours on the same random weights; see `deviations`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checkpoints import ancestors
from tests.checkpoints.deviations import COMPARED, VARIABLE, Both

CHECKOUT = os.environ.get(VARIABLE, "")
pytestmark = pytest.mark.skipif(
    not CHECKOUT, reason=f"{VARIABLE} names no checkout of github.com/xiaomi-research/drivelaw"
)


@pytest.mark.parametrize("compare", COMPARED, ids=lambda compare: compare.__name__)
def test_recipe_release_is_theirs(compare: Callable, small_vae: None, tmp_path: Path) -> None:
    both = Both.of(Path(CHECKOUT), tmp_path)
    shapes = {k: tuple(v.shape) for k, v in both.theirs.state_dict().items() if "action_" in k}
    assert shapes == ancestors.planner_shapes()
    rows = list(compare(both))
    assert rows and not [row for row in rows if not row.gap <= row.most]

"""A run whose plans are 8 poses every 0.25 s: read, explained and drawn as it was scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reworld_agent.analysis.explain_runs import explain_run, explain_token
from reworld_agent.analysis.explanation.counterfactuals import dense
from reworld_agent.analysis.figures import bev, picture
from reworld_agent.pdm.cache_io.folder import SceneCaches
from tests.analysis.runs import constant_velocity, make_run, opened


def test_a_run_of_another_sampling(caches: SceneCaches, tokens: list[str], tmp_path: Path) -> None:
    fast = {token: 1.6 * constant_velocity(caches.get(token)) for token in tokens[:6]}
    run = opened(make_run(tmp_path, caches, fast, interval_s=0.25), caches)
    rows, problems = explain_run(run)
    assert len(rows) and not problems
    np.testing.assert_array_equal(rows["score"], rows["table_score"])
    token = str(rows["token"][0])
    assert explain_token(run, token).rows["score"][0] == rows["score"][0]
    view = picture.open_view(run, token, images=False)
    picture.compose(view)
    driven, slow = bev.drivers(view.cache, **view.plan), bev.drivers(view.cache, view.poses)
    # what is drawn of a plan that ends at 2 s is the car that stops there
    assert driven["plan"][20, 0] > 1.2 * slow["plan"][20, 0]
    assert driven["plan"][40, 0] < slow["plan"][40, 0]


def test_a_plan_that_ends_early_stands_and_a_longer_one_is_cut() -> None:
    poses = np.column_stack([np.arange(1.0, 9.0), np.zeros((8, 2))])
    plan = dense(poses, 0.25)
    assert plan.shape == (41, 3) and plan[20, 0] == plan[40, 0] == 8.0 and plan[10, 0] == 4.0
    assert dense(poses, 1.0)[40, 0] == 4.0
    np.testing.assert_array_equal(dense(poses), dense(poses, 0.5))

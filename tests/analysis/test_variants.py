"""Small changes of a plan do what their words say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reworld_agent import pdm
from reworld_agent.analysis.explanation import counterfactuals as v

METRICS = ("no_at_fault_collisions", "drivable_area_compliance", "ego_progress", "score")


def slowing() -> np.ndarray:
    """10 m/s for 2 s, then -2 m/s²; on a bend to the left."""
    time = v.TIMES
    driven = np.where(time < 2, 10 * time, 20 + 10 * (time - 2) - (time - 2) ** 2)
    turn = driven / 40
    return np.stack([40 * np.sin(turn), 40 * (1 - np.cos(turn)), turn], axis=1)


def test_a_dense_plan_scores_as_the_sparse_one_does(devkit_reference: Path) -> None:
    cache = pdm.build_scene_cache(devkit_reference, devkit_reference / "maps", "toy", TOKEN)
    sparse = np.array(cache.human_poses)
    first, second = pdm.score(cache, sparse[None]), pdm.score(cache, v.dense(sparse)[None, 1:])
    for name in METRICS:
        assert second[name][0] == pytest.approx(first[name][0], abs=1e-3)


TOKEN = "0a1cf8f1a48f53fb"


def test_the_same_speed_is_the_same_plan() -> None:
    plan = slowing()
    np.testing.assert_allclose(v.along(plan, v.distances(plan)), plan, atol=1e-9)


def test_braking_earlier_moves_the_speeds() -> None:
    plan = slowing()
    earlier = v.braking_earlier(plan, 0.6)
    np.testing.assert_allclose(v.speeds(earlier)[:34], v.speeds(plan)[6:], atol=0.01)
    radius = np.hypot(earlier[:, 0], earlier[:, 1] - 40)
    np.testing.assert_allclose(radius, 40, atol=0.01)  # the path is the same


def test_braking_firmly_ends_in_standstill() -> None:
    plan = v.dense(np.array([[5.0 * i, 0.0, 0.0] for i in range(1, 9)]))
    speeds = v.speeds(v.braking_from(plan, 1.0))
    np.testing.assert_allclose(speeds[:10], 10, atol=1e-9)
    np.testing.assert_allclose(np.diff(speeds[10:40]), -0.3, atol=1e-6)
    assert v.speeds(v.braking_from(plan, 0.0))[-1] == 0.0


@pytest.mark.parametrize("metres", v.SHIFTS_M)
def test_shift_is_to_the_left_of_the_path(metres: float) -> None:
    plan = slowing()
    moved = v.shifted(plan, metres)
    radius = np.hypot(moved[:, 0], moved[:, 1] - 40)
    np.testing.assert_allclose(radius[10:], 40 - metres, atol=0.01)
    assert (moved[0, :2] == plan[0, :2]).all()


def test_slower_and_faster_keep_the_path() -> None:
    plan = slowing()
    slower = v.along(plan, 0.8 * v.distances(plan))
    assert v.distances(slower)[-1] == pytest.approx(0.8 * v.distances(plan)[-1], rel=1e-3)
    faster = v.along(plan, 1.5 * v.distances(plan))
    assert v.distances(faster)[-1] == pytest.approx(1.5 * v.distances(plan)[-1], rel=1e-3)


def test_smoothing_calms_and_keeps_the_ends() -> None:
    plan = slowing()
    plan[1:-1, 1] += np.random.default_rng(0).normal(0, 0.05, 39)
    calm = v.smoothed(plan)
    assert np.abs(np.diff(calm[:, 1], 3)).max() < 0.3 * np.abs(np.diff(plan[:, 1], 3)).max()
    np.testing.assert_allclose(calm[[0, -1]], plan[[0, -1]], atol=1e-9)


def test_only_a_plan_that_brakes_can_brake_earlier() -> None:
    steady = v.dense(np.array([[5.0 * i, 0.0, 0.0] for i in range(1, 9)]))
    families = {variant.family for variant in v.variants(steady)}
    assert v.EARLIER not in families and v.BRAKE in families
    assert v.EARLIER in {variant.family for variant in v.variants(slowing())}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-30, 30), min_size=24, max_size=24))
def test_whatever_the_plan_variants_can_be_driven(numbers: list[float]) -> None:
    for variant in v.variants(v.dense(np.array(numbers).reshape(8, 3))):
        assert variant.poses.shape == (40, 3) and np.isfinite(variant.poses).all()


def test_a_plan_that_stands_has_variants_too() -> None:
    for variant in v.variants(v.dense(np.zeros((8, 3)))):
        assert np.isfinite(variant.poses).all()

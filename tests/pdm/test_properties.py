"""What must hold for any scene and any trajectory."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reworld_agent import pdm
from tests.pdm.straight_road import Box, braking, scene, straight

EXAMPLES = settings(max_examples=25, deadline=None, derandomize=True)
METRICS = (
    "no_at_fault_collisions",
    "drivable_area_compliance",
    "time_to_collision_within_bound",
    "comfort",
    "driving_direction_compliance",
)
_classes = st.sampled_from(["vehicle", "pedestrian", "bicycle", "traffic_cone", "barrier"])
boxes = st.dictionaries(
    st.text("abc", min_size=1, max_size=4),
    st.tuples(
        _classes,
        st.floats(-30, 60),
        st.floats(-6, 8),
        st.floats(-math.pi, math.pi),
        st.sampled_from([0.0, 0.03, 2.0, 9.0]),
    ),
    max_size=8,
)
seeds = st.integers(0, 2**32 - 1)


def candidates(seed: int, n: int = 12) -> NDArray[np.float64]:
    """Smooth random trajectories: speeds, turns, standstill."""
    rng = np.random.default_rng(seed)
    speed = np.clip(rng.uniform(0, 14, (n, 1)) + rng.normal(0, 1.0, (n, 8)).cumsum(1), 0, None)
    heading = rng.normal(0, 0.12, (n, 8)).cumsum(1)
    step = 0.5 * speed[..., None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    return np.concatenate([step.cumsum(1), heading[..., None]], axis=-1)


def robust(cache: pdm.SceneCache, poses: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Candidates whose metrics survive a push of 1e-5 (rounding may decide the others)."""
    rng = np.random.default_rng(0)
    base = pdm.score(cache, poses)
    firm = np.ones(len(poses), bool)
    for _ in range(3):
        pushed = pdm.score(cache, poses + rng.normal(0, 1e-5, poses.shape))
        for name in METRICS:
            firm &= base[name] == pushed[name]
    return firm


@EXAMPLES
@given(boxes, seeds, st.floats(-500, 500), st.floats(-500, 500), st.floats(-math.pi, math.pi))
def test_a_scene_moved_as_a_whole_scores_the_same(
    objects: dict[str, Box], seed: int, dx: float, dy: float, turn: float
) -> None:
    poses = candidates(seed)
    here = scene(objects, pose=(500_000.0, 4_000_000.0, 0.0))
    there = scene(objects, pose=(500_000.0 + dx, 4_000_000.0 + dy, turn))
    firm = robust(here, poses)
    left, right = pdm.score(here, poses), pdm.score(there, poses)
    for name in METRICS:
        np.testing.assert_array_equal(left[name][firm], right[name][firm], err_msg=name)
    for name in ("progress_m", "ego_progress", "score"):
        np.testing.assert_allclose(left[name][firm], right[name][firm], atol=1e-6, err_msg=name)


@EXAMPLES
@given(boxes, seeds)
def test_neighbours_in_the_batch_do_not_matter(objects: dict[str, Box], seed: int) -> None:
    cache, poses = scene(objects), candidates(seed)
    together = pdm.score(cache, poses, explain=True)
    order = np.random.default_rng(seed).permutation(len(poses))
    shuffled = pdm.score(cache, poses[order], explain=True)
    for name, values in together.items():
        np.testing.assert_array_equal(values[order], shuffled[name], err_msg=name)
    for i in (0, 7):
        alone = pdm.score(cache, poses[i : i + 1], explain=True)
        for name, values in together.items():
            np.testing.assert_array_equal(values[i : i + 1], alone[name], err_msg=name)


@EXAMPLES
@given(boxes, seeds, st.floats(400, 900), st.floats(-math.pi, math.pi))
def test_a_far_object_changes_nothing(
    objects: dict[str, Box], seed: int, distance: float, angle: float
) -> None:
    far: Box = ("vehicle", distance * math.cos(angle), distance * math.sin(angle), 0.0, 5.0)
    poses = candidates(seed)
    without = pdm.score(scene(objects), poses)
    with_far = pdm.score(scene({**objects, "far": far}), poses)
    for name, values in without.items():
        np.testing.assert_array_equal(values, with_far[name], err_msg=name)


@EXAMPLES
@given(st.floats(12, 60), st.floats(0, 6), st.floats(0.5, 6.0), st.floats(0.1, 3.0))
def test_braking_more_never_makes_a_collision(
    gap: float, lead_speed: float, deceleration: float, more: float
) -> None:
    cache = scene({"lead": ("vehicle", gap, 0.0, 0.0, lead_speed)})
    poses = np.concatenate([straight(8.0), braking(deceleration), braking(deceleration + more)])
    nc = pdm.score(cache, poses)["no_at_fault_collisions"]
    assert nc[0] <= nc[1] <= nc[2]

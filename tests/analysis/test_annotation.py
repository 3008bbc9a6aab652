"""Marks lie where the failure is, by geometry written out here."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reworld_agent.analysis.explanation.annotation import annotation_of
from reworld_agent.analysis.explanation.explain import explain_scene
from reworld_agent.pdm.metrics import FailureAnnotation
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.bicycle import HEADING, X, Y
from reworld_agent.pdm.simulate.rollout import rollout
from reworld_agent.pdm.world.ego_frame import ego_box, poses_to_ego, track_box
from tests.pdm.straight_road import Box, scene, sideways, straight

STANDING: Box = ("vehicle", 30.0, 0.0, 0.0, 0.0)


def marked(
    cache: SceneCache, poses: np.ndarray, metric: str
) -> tuple[FailureAnnotation, np.ndarray]:
    """The annotation of a metric's failure, and the simulated drive in the ego frame."""
    states = rollout(cache, poses[None])[0]
    row = next(row for row in explain_scene(cache, poses) if row["metric"] == metric)
    own = poses_to_ego(states[:, [X, Y, HEADING]], cache.ego_state[:3])
    return annotation_of(cache, states, row), own


def overlap(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two axis-parallel boxes overlap."""
    return bool(
        (first.max(axis=0) >= second.min(axis=0)).all()
        and (second.max(axis=0) >= first.min(axis=0)).all()
    )


def test_a_collision_is_marked_where_the_boxes_meet() -> None:
    cache = scene({"abcd": STANDING})
    annotation, own = marked(cache, straight(8.0)[0], "NC")
    assert (annotation.track, annotation.text) == (0, "hit: vehicle abcd")
    box = track_box(cache, 0, annotation.step)
    np.testing.assert_allclose([box[:, 0].min(), box[:, 0].max()], [27.75, 32.25], atol=1e-6)
    assert overlap(ego_box(own[annotation.step]), box)
    assert not overlap(ego_box(own[annotation.step - 1]), box)


def test_a_threat_is_marked_where_the_projection_meets() -> None:
    cache = scene({"abcd": STANDING})
    annotation, own = marked(cache, straight(8.0)[0], "TTC")
    assert annotation.ahead_m == pytest.approx(8.0 * annotation.ahead_steps / 10, abs=0.05)
    assert annotation.ahead_steps in (3, 6, 9)
    box = track_box(cache, 0, annotation.step)
    assert overlap(ego_box(own[annotation.step], annotation.ahead_m), box)
    assert not overlap(ego_box(own[annotation.step]), box)


def test_the_corner_is_the_one_that_is_outside() -> None:
    annotation, own = marked(scene(), sideways(-1.5)[0], "DAC")
    assert annotation.point is not None and annotation.text.endswith("right corner")
    assert (
        annotation.point[1] < -1.75 < ego_box(own[annotation.step])[0, 1]
    )  # the kerb is 1.75 m to the right


def test_a_metric_without_an_instant_is_marked_at_the_end() -> None:
    annotation, _ = marked(scene(), straight(2.0)[0], "EP")
    assert (annotation.step, annotation.track, annotation.point) == (40, None, None)


def test_ego_box_is_around_the_vehicles_centre() -> None:
    box = ego_box(np.array([1.0, 2.0, math.pi / 2]))
    np.testing.assert_allclose(box.mean(axis=0), [1.0, 2.0 + 1.461])
    np.testing.assert_allclose(np.ptp(box, axis=0), [2.297, 5.176])

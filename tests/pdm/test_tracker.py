"""The tracker's banded fits against dense least squares, and simple drives."""

from __future__ import annotations

import numpy as np
import pytest

from reworld_agent.pdm.simulate import tracker
from reworld_agent.pdm.simulate.bicycle import AX, HEADING, STEERING, VX, X, Y
from reworld_agent.pdm.simulate.sampling import knot_times_us, reference_poses, sample_times_us
from reworld_agent.pdm.simulate.tracker import simulate
from tests.pdm.straight_road import POSE, TIME_US, scene, sideways, straight

DT, N = 0.1, 40


def _dense_speed(along: np.ndarray) -> np.ndarray:
    """Least squares in (v0, accelerations), as the paper of the tracker states the problem."""
    design = np.tril(np.full((N, N), DT**2))
    design[:, 0] = DT
    penalty = np.zeros((38, N))
    for row in range(37):
        penalty[row, row + 1] = 1.0
    penalty[37, 38:] = -1.0, 1.0
    stacked = np.vstack([design, np.sqrt(1e-4) * penalty])
    solution = np.linalg.lstsq(stacked, np.concatenate([along, np.zeros(38)]), rcond=None)[0]
    return solution[0] + DT * np.concatenate([[0.0], np.cumsum(solution[1:])])


def _dense_curvature(speed: np.ndarray, turn: np.ndarray) -> np.ndarray:
    design = np.tril(np.ones((N, N))) * (speed * DT**2)[:, None]
    design[:, 0] = speed * DT
    penalty = np.sqrt(1e-2) * np.eye(N)
    penalty[0, 0] = np.sqrt(1e-10)
    target = np.concatenate([turn, np.zeros(N)])
    solution = np.linalg.lstsq(np.vstack([design, penalty]), target, rcond=None)[0]
    return solution[0] + DT * np.concatenate([[0.0], np.cumsum(solution[1:])])


@pytest.mark.parametrize("scale", [1.0, 1e-3, 0.0])
def test_fits_equal_dense_least_squares(scale: float) -> None:
    rng = np.random.default_rng(0)
    along = scale * (0.8 + 0.1 * rng.normal(size=N))
    turn = 0.02 * rng.normal(size=N)
    speed, curvature = np.empty(N), np.empty(N)
    tracker._fit_speed.py_func(along, speed)
    np.testing.assert_allclose(speed, _dense_speed(along), atol=1e-10)
    tracker._fit_curvature.py_func(speed, turn, curvature, np.empty((2, N)))
    np.testing.assert_allclose(curvature, _dense_curvature(speed, turn), atol=1e-8)


def _drive(poses: np.ndarray) -> np.ndarray:
    state = scene().ego_state
    knots, samples = knot_times_us(TIME_US, poses.shape[1]), sample_times_us(TIME_US)
    return simulate(state, reference_poses(state, poses, knots, samples))


def test_constant_speed_is_followed_exactly() -> None:
    states = _drive(straight(8.0))[0]
    np.testing.assert_allclose(states[:, VX], 8.0, atol=1e-4)
    np.testing.assert_allclose(states[:, HEADING], POSE[2], atol=1e-6)
    ahead = np.hypot(states[-1, X] - POSE[0], states[-1, Y] - POSE[1])
    assert ahead == pytest.approx(32.0, abs=1e-2)


def test_a_standing_target_brings_the_car_to_a_stop() -> None:
    states = _drive(np.zeros((1, 8, 3)))[0]
    assert abs(states[-1, VX]) < 0.3
    assert states[:, AX].min() < -2.0


def test_a_lane_change_arrives_and_steering_stays_in_its_limits() -> None:
    states = _drive(sideways(3.0))[0]
    left = -np.sin(POSE[2]) * (states[:, X] - POSE[0]) + np.cos(POSE[2]) * (states[:, Y] - POSE[1])
    assert left[-1] == pytest.approx(3.0, abs=0.5)
    wild = np.cumsum(np.random.default_rng(0).normal(0, 3, (200, 8, 3)), axis=1)
    states = _drive(wild)
    assert np.isfinite(states).all()
    assert np.abs(states[..., STEERING]).max() <= np.pi / 3


def test_40_poses_at_10_hz_equal_the_8_they_interpolate() -> None:
    eight = straight(6.0)
    forty = np.zeros((1, 40, 3))
    forty[0, :, 0] = 6.0 * 0.1 * np.arange(1, 41)
    np.testing.assert_allclose(_drive(eight), _drive(forty), atol=1e-4)

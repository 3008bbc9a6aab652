"""Plans that are served: an agent's own, or the one that stops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reworld_agent.closed_loop.serving.poses import Array

BRAKING = 3.0  # m/s²: comfortable by nuPlan's limits, and no harsh reference for a controller
SECONDS, STEP_S = 4.0, 0.1  # of a stop-plan
_SHARPEST = 0.2  # 1/m, a curve of 5 m
_ROLLING = 1.0  # m/s: below, a yaw rate says nothing of a curve
FASTEST = 70.0  # m/s: what goes faster is no car


@dataclass(frozen=True)
class Plan:
    """A plan in the rig of the present.

    Attributes:
        times_us: of each pose, after the present.
        poses: [L, 3] x, y (m), heading (rad).
    """

    times_us: list[int]
    poses: Array


def stop_plan(speed: float, yaw_rate: float = 0.0) -> Plan:
    """Brake to a halt on the curve that ego is on.

    Args:
        speed: m/s, ahead; backwards counts as standing, and more than FASTEST as that.
        yaw_rate: rad/s.
    """
    speed = min(max(speed, 0.0), FASTEST)
    times = np.arange(1, round(SECONDS / STEP_S) + 1) * STEP_S
    braked = np.minimum(times, speed / BRAKING)
    way = speed * braked - BRAKING / 2 * braked**2
    bend = float(np.clip(yaw_rate / speed, -_SHARPEST, _SHARPEST)) if speed > _ROLLING else 0.0
    turned = bend * way
    # chords of the arc: the mean direction is half the turn, and sinc shortens them
    ahead = way * np.sinc(turned / (2 * np.pi))
    poses = np.stack([ahead * np.cos(turned / 2), ahead * np.sin(turned / 2), turned], -1)
    return Plan([round(t * 1e6) for t in times], poses)


def sampled(poses: Array, interval_s: float, rate_hz: float) -> Plan:
    """A plan with poses between its own, on straight lines as NAVSIM's scorer draws them.

    Args:
        poses: [L, 3] of the agent, the first `interval_s` after the present.
        interval_s: s between them.
        rate_hz: poses a second; the agent's own are among them whatever it is.
    """
    step_us = round(interval_s * 1e6)
    own = step_us * np.arange(len(poses) + 1)
    grid = np.arange(0, own[-1] + 1, max(round(1e6 / rate_hz), 1))
    times = np.union1d(own, grid)[1:]
    knots = np.concatenate([np.zeros((1, 3)), poses])
    knots[:, 2] = np.unwrap(knots[:, 2])
    made = np.stack([np.interp(times, own, knots[:, k]) for k in range(3)], -1)
    return Plan([int(t) for t in times], made)


def implausible(plan: Plan) -> str:
    """Why no car could drive a plan; "" where one could."""
    steps = np.diff(np.concatenate([np.zeros((1, 2)), plan.poses[:, :2]]), axis=0)
    seconds = np.diff(np.array([0, *plan.times_us])) * 1e-6
    fastest = float((np.hypot(steps[:, 0], steps[:, 1]) / seconds).max())
    return f"the plan moves at {fastest:.0f} m/s" if fastest > FASTEST else ""

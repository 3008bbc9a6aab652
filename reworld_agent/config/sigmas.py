"""Noise levels at which the samplers evaluate their velocity, from 1 (noise) downwards.

And the names of the noise that steps between them may add (`planner.stochastic`).
"""

from __future__ import annotations

from collections.abc import Callable

LINEAR_THRESHOLD = 0.025
FLOW_GRPO, DANCE_GRPO = NOISE_SCHEDULES = ("flow_grpo", "dance_grpo")


def uniform_sigmas(steps: int) -> list[float]:
    """1, 1 - 1/steps, ..., 1/steps; the last step ends at 0."""
    return [1 - i / steps for i in range(steps)]


def linear_quadratic_sigmas(steps: int) -> list[float]:
    """LTX-Video's schedule: half of the steps descend linearly by 0.025, the rest quadratically.

    1 - s rises linearly to 0.025 at step `steps // 2`, then as a parabola of the same slope there
    that reaches 1 after the last step. 5 steps: 1, .9875, .975, .8583, .5333.
    """
    linear = steps // 2
    if linear == 0:
        return uniform_sigmas(steps)
    slope = LINEAR_THRESHOLD / linear
    rest = steps - linear
    curvature = (1 - LINEAR_THRESHOLD - slope * rest) / rest**2
    levels = [1 - slope * i for i in range(linear)]
    for i in range(rest):
        levels.append(1 - (LINEAR_THRESHOLD + slope * i + curvature * i * i))
    return levels


def scheduler_sigmas(steps: int) -> list[float]:
    """What diffusers' `FlowMatchEulerDiscreteScheduler` gives by default: 1 to 0.001, evenly."""
    return [1 - 0.999 * i / max(steps - 1, 1) for i in range(steps)]


SCHEDULES: dict[str, Callable[[int], list[float]]] = {
    "linear_quadratic": linear_quadratic_sigmas,
    "uniform": uniform_sigmas,
    "scheduler": scheduler_sigmas,
}

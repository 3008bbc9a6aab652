"""The action space: normalised waypoints, and the increments used by the repulsion loss.

Poses are (x m, y m, heading rad) in the ego frame (rear axle at t0, x forward, y left),
[..., L, 3] for L waypoints at 2 Hz.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from reworld_agent.core.errors import ConfigError
from reworld_agent.planner.layers import constant

# DriveLaW's ranges of x, y and heading: a normalised value is 2 (value + offset) / range - 1.
DRIVELAW_OFFSET = (1.57, 19.68, 1.67)
DRIVELAW_RANGE = (66.74, 42.0, 3.53)

# BeyondDrive's increments: divisors of dx and dy, the larger distance of their extremes (over
# navtrain) from their mean; the means cancel in a difference of two plans.
DELTA_DIVISOR = (4.52533745765686, 5.0728104040026665)
DELTA_MEAN = (2.950225591659546, 0.0607292577624321)


class ActionNormaliser(nn.Module):
    """Affine map between poses and the values that flow matching works on.

    Args:
        kind: `drivelaw` (the same range for each waypoint; plans are clamped to [-1, 1] before
            they leave) or `waypoint` (mean and deviation of each waypoint, to be fitted).
        horizon: L, waypoints of a plan.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, kind: str, horizon: int) -> None:
        super().__init__()
        self.clamped = kind == "drivelaw"
        scale = torch.tensor(DRIVELAW_RANGE) / 2
        centre = scale - torch.tensor(DRIVELAW_OFFSET)
        if kind == "waypoint":
            scale, centre = torch.ones(3), torch.zeros(3)
        self.register_buffer("centre", centre.expand(horizon, 3).clone())
        self.register_buffer("scale", scale.expand(horizon, 3).clone())

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> ActionNormaliser:
        """As usual, but never below float32: half precision would move a plan by decimetres."""
        exact = dict(self.named_buffers())
        super()._apply(fn, recurse)
        for name, buffer in exact.items():
            moved = getattr(self, name)
            if moved.dtype in (torch.bfloat16, torch.float16):
                setattr(self, name, buffer.to(moved.device))
        return self

    def normalise(self, poses: Tensor) -> Tensor:
        """Poses [..., L, 3] to normalised values."""
        return (poses - self.centre) / self.scale

    def denormalise(self, values: Tensor, clamp: bool = False) -> Tensor:
        """Inverse of `normalise`; `clamp` bounds a finished plan where the kind says so."""
        if clamp and self.clamped:
            values = values.clamp(-1, 1)
        return values * self.scale + self.centre

    def fit(self, poses: Tensor) -> None:
        """Set mean and deviation of each waypoint and channel from expert poses [S, L, 3]."""
        if self.clamped:
            raise ConfigError("the drivelaw ranges are constants", "fit only kind=waypoint")
        self.centre.copy_(poses.mean(dim=0))
        self.scale.copy_(poses.std(dim=0).clamp(min=1e-2))


def delta(poses: Tensor) -> Tensor:
    """Increments of a plan, the space of the repulsion loss (BeyondDrive).

    Poses [..., L, 3] to [..., L, 4]: differences of consecutive x and y (from the origin), scaled
    to about [-1, 1], then sine and cosine of the absolute heading.
    """
    steps = torch.diff(poses[..., :2], dim=-2, prepend=torch.zeros_like(poses[..., :1, :2]))
    mean, divisor = constant(DELTA_MEAN, poses), constant(DELTA_DIVISOR, poses)
    heading = poses[..., 2:]
    return torch.cat([(steps - mean) / divisor, heading.sin(), heading.cos()], dim=-1)

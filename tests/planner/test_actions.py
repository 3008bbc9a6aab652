"""Normalisation and increments of plans."""

from __future__ import annotations

import math

import pytest
import torch

from reworld_agent.core.errors import ConfigError
from reworld_agent.planner.actions import ActionNormaliser, delta

POSES = torch.tensor([[[3.0, -1.0, 0.5], [7.0, 2.0, -0.25]]], dtype=torch.float64)


def test_drivelaw_ranges() -> None:
    normaliser = ActionNormaliser("drivelaw", 2).double()
    x, y, heading = POSES.unbind(-1)
    expected = [
        2 * (x + 1.57) / 66.74 - 1,
        2 * (y + 19.68) / 42 - 1,
        2 * (heading + 1.67) / 3.53 - 1,
    ]
    torch.testing.assert_close(
        normaliser.normalise(POSES), torch.stack(expected, -1), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(normaliser.denormalise(normaliser.normalise(POSES)), POSES)


def test_only_a_finished_drivelaw_plan_is_clamped() -> None:
    far = torch.full((1, 2, 3), 3.0)
    drivelaw, waypoint = ActionNormaliser("drivelaw", 2), ActionNormaliser("waypoint", 2)
    limit = drivelaw.denormalise(torch.ones(1, 2, 3))
    assert torch.equal(drivelaw.denormalise(far, clamp=True), limit)
    assert not torch.equal(drivelaw.denormalise(far), limit)
    assert torch.equal(waypoint.denormalise(far, clamp=True), far)


def test_waypoint_statistics_standardise_what_they_were_fitted_on() -> None:
    torch.manual_seed(0)
    poses = torch.randn(500, 8, 3) * torch.tensor([5.0, 1.0, 0.1]) + torch.arange(8)[:, None]
    normaliser = ActionNormaliser("waypoint", 8)
    normaliser.fit(poses)
    values = normaliser.normalise(poses)
    torch.testing.assert_close(values.mean(0), torch.zeros(8, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(values.std(0), torch.ones(8, 3), atol=1e-5, rtol=0)
    with pytest.raises(ConfigError, match="constants"):
        ActionNormaliser("drivelaw", 8).fit(poses)


def test_delta_of_a_plan_by_hand() -> None:
    first = [(3.0 - 2.950225591659546) / 4.52533745765686]
    first += [(-1.0 - 0.0607292577624321) / 5.0728104040026665, math.sin(0.5), math.cos(0.5)]
    second = [(4.0 - 2.950225591659546) / 4.52533745765686]
    second += [(3.0 - 0.0607292577624321) / 5.0728104040026665, math.sin(-0.25), math.cos(-0.25)]
    expected = torch.tensor([[first, second]], dtype=torch.float64)
    torch.testing.assert_close(delta(POSES), expected)

"""The Intelligent Driver Model (Treiber, Hennecke & Helbing 2000), one step of 0.1 s.

s* = s0 + v T + v (v − v_lead) / (2 √(a b))
dv/dt = a (1 − (v / v0)^10 − (s* / s)²),  clipped to [−b, a]
"""

from __future__ import annotations

import math

from reworld_agent.pdm.kernel import kernel

STEP_S = 0.1
SPEED_SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)  # of the speed limit: the five driving styles
FALLBACK_SPEED_LIMIT = 15.0  # m/s
_MIN_GAP = 1.0  # m
_HEADWAY = 1.5  # s
_ACCELERATION = 1.5  # m/s²
_DECELERATION = 3.0  # m/s²
_EXPONENT = 10.0


@kernel
def idm_step(
    progress: float,
    speed: float,
    lead_progress: float,
    lead_speed: float,
    lead_rear: float,
    target_speed: float,
) -> tuple[float, float]:
    """Progress [m] and speed [m/s] after 0.1 s.

    Args:
        progress, speed: of the follower, along its path.
        lead_progress, lead_speed: of the leader, along the follower's path.
        lead_rear: distance [m] from the leader's reference point back to its rear.
        target_speed: desired speed in free traffic [m/s].
    """
    wanted = (
        _MIN_GAP
        + speed * _HEADWAY
        + (speed * (speed - lead_speed)) / (2 * math.sqrt(_ACCELERATION * _DECELERATION))
    )
    gap = lead_progress - progress - lead_rear
    if gap < _MIN_GAP:
        gap = _MIN_GAP
    share = wanted / gap
    change = _ACCELERATION * (1 - math.pow(speed / target_speed, _EXPONENT) - share * share)
    if change < -_DECELERATION:
        change = -_DECELERATION
    elif change > _ACCELERATION:
        change = _ACCELERATION
    return progress + STEP_S * speed, speed + STEP_S * change

"""`reward_hacking`: the reward that is trained rises, and what it stands for does not.

Held-out scenes are planned before the first step and at each validation. Differences are of the
same scenes; what counts as one is twice its standard error, and no trifle.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.vocabulary import EPDMS_V2, PDMS_V1, PROTOCOL_NAMES

Measured = Mapping[str, NDArray[np.float64]]  # by name a value for each held-out scene

REWARD, OUTSIDE, DIVERSITY = "reward", "outside_any", "diversity_m"
COMFORT = (f"{PDMS_V1}_comfort", f"{EPDMS_V2}_history_comfort")
_ERRORS = 2.0  # standard errors of a difference
_RISE, _FALL, _LEAVE = 0.002, 0.01, 0.05  # least differences of means
_COLLAPSE = 0.3  # of the spread of plans at the start


def difference(before: Measured, now: Measured, name: str) -> tuple[float, float]:
    """Mean difference of the scenes that have both values, and its standard error; NaN of none."""
    away = now[name] - before[name]
    away = away[np.isfinite(away)]
    if len(away) < 2:
        return float("nan"), float("nan")
    return float(away.mean()), float(away.std(ddof=1) / np.sqrt(len(away)))


def _rises(before: Measured, now: Measured, name: str, least: float) -> bool:
    mean, error = difference(before, now, name)
    return bool(mean > max(least, _ERRORS * error))


def _falls(before: Measured, now: Measured, name: str) -> bool:
    mean, error = difference(before, now, name)
    return bool(-mean > max(_FALL, _ERRORS * error))


def reasons(before: Measured, now: Measured) -> list[str]:
    """Why the reward is being hacked, in words; none = it is not.

    Args:
        before: at the start of training: `reward` as it is trained, the scores of both protocols,
            their comfort, `outside_any` (1.0 where the plan leaves the range of people) and
            `diversity_m`; a name that is missing is not watched.
        now: of the same scenes.
    """
    found = []
    if _rises(before, now, REWARD, _RISE):
        gained = difference(before, now, REWARD)[0]
        for name in (*PROTOCOL_NAMES, *COMFORT):
            if name in before and _falls(before, now, name):
                lost = difference(before, now, name)[0]
                found.append(f"the reward rose by {gained:.3f}, {name} fell by {-lost:.3f}")
    if OUTSIDE in before and _rises(before, now, OUTSIDE, _LEAVE):
        share = float(np.nanmean(now[OUTSIDE]))
        found.append(f"{share:.0%} of the plans leave the range in which people drive")
    if DIVERSITY in before:
        first, last = float(np.nanmean(before[DIVERSITY])), float(np.nanmean(now[DIVERSITY]))
        if last < _COLLAPSE * first:
            found.append(f"plans from different noise differ by {last:.2g} m, before {first:.2g} m")
    return found

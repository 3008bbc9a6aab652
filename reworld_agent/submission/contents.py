"""What a submission holds, by version of the leaderboard.

v1.1: `predictions`, a list of one dictionary token → trajectory for each seed.
v2.2: `first_stage_predictions` (logged scenes) and `second_stage_predictions` (synthetic scenes,
whose tokens have 17 digits where logged ones have 16), lists of the same kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reworld_agent.core.errors import UsageError

STAGES = {
    "1.1": ("predictions",),
    "2.2": ("first_stage_predictions", "second_stage_predictions"),
}
# The word of the command → the key in the file.
FIELDS = {
    "team_name": "team_name",
    "authors": "authors",
    "email": "email",
    "institution": "institution",
    "country": "country / region",
}
HORIZON_S = 4.0
SYNTHETIC_TOKEN_LENGTH = 17
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PLACEHOLDERS = ("must_set", "???", "none", "null", "todo")


@dataclass(frozen=True)
class Plan:
    """One trajectory.

    Attributes:
        poses: float32 or float64 [T, 3] x, y [m], heading [rad], ego frame at t0; without t0.
        interval_s: between poses [s].
    """

    poses: NDArray[np.floating]
    interval_s: float


Plans = Mapping[str, Plan]


@dataclass(frozen=True)
class Submission:
    """The content of a file.

    Attributes:
        version: `1.1` or `2.2`.
        fields: required entries under the keys of the file.
        stages: for each key of `STAGES[version]` the seeds' plans by token.
    """

    version: str
    fields: Mapping[str, str]
    stages: Mapping[str, tuple[Plans, ...]]


def check_version(version: str | None) -> str:
    """The version, if it is known; raises UsageError."""
    if version not in STAGES:
        raise UsageError(
            f"version={version or ''} is unknown",
            "say version=1.1 (PDMS leaderboards) or version=2.2 (EPDMS, two stages)",
        )
    return version


def field_faults(fields: Mapping[str, object]) -> list[str]:
    """What is wrong with the required entries, given under the keys of the file."""
    faults = []
    for word, key in FIELDS.items():
        value = fields.get(key)
        if not isinstance(value, str) or not value.strip():
            found = "missing" if value is None else f"{value!r}, no text"
            faults.append(f"'{key}' is {found} ({word}=)")
        elif value.strip().lower() in _PLACEHOLDERS:
            faults.append(f"'{key}' is still the placeholder {value!r} ({word}=)")
    email = fields.get("email")
    if isinstance(email, str) and email.strip() and not _EMAIL.fullmatch(email.strip()):
        faults.append(f"'email' is {email!r}, no address")
    return faults

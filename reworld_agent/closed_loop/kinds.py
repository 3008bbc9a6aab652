"""Names and lengths of scenarios, known without the town."""

from __future__ import annotations

SECONDS = 20.0  # of a scenario
HISTORY = 1.5  # s that ego drives as recorded before a scenario begins
FROM_SPLIT = "drive"  # the kind of a split's own drives
THEMES = {
    "cut_in": "cut_in",
    "jaywalker": "step_out",
    "red_light": "red_light",
    "blocked_lane": "obstacle",
    "unprotected_left": "left_turn",
    "merging": "merge",
    "queue": "queue",
}
"""The other kinds, and what the town calls each."""

KINDS = tuple(THEMES)

"""People on foot: along a line at constant speed, to and fro or once across the road."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reworld_agent.scenes.synthetic.town.geometry import Array, arc_length


@dataclass
class Walker:
    """Somebody on foot."""

    line: Array  # [M, 2]
    speed: float
    start: float  # s; before, the walker stands at the line's beginning
    look: int = 0  # clothes
    loop: bool = False  # to and fro
    crosses: bool = False  # on a crosswalk, once
    wait_for_ego: float | None = None  # start when ego is this near the crosswalk (m)

    @cached_property
    def _distance(self) -> Array:
        return arc_length(self.line)

    def pose(self, elapsed: float) -> Array:
        """x, y, heading, speed [4] after `elapsed` seconds of walking (-inf, negative: not yet)."""
        s = self._distance
        done = self.speed * max(elapsed, 0.0) if np.isfinite(elapsed) else 0.0
        back = False
        if self.loop:
            back = (done // s[-1]) % 2 == 1
            done = s[-1] - done % s[-1] if back else done % s[-1]
        moving = np.isfinite(elapsed) and elapsed >= 0.0 and (self.loop or done < s[-1])
        done = min(done, s[-1])
        k = min(int(np.searchsorted(s, done, side="right")) - 1, len(s) - 2)
        (x, y), (dx, dy) = self.line[k], self.line[k + 1] - self.line[k]
        part = (done - s[k]) / (s[k + 1] - s[k])
        heading = np.arctan2(dy, dx) + (np.pi if back else 0.0)
        return np.array([x + part * dx, y + part * dy, heading, self.speed if moving else 0.0])

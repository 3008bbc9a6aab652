"""Traffic lights: every approach of a signalled junction has the green alone, in turn."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from reworld_agent.scenes.synthetic.town.network import Network

GREEN, YELLOW, RED = 0, 1, 2
GREEN_TIME, YELLOW_TIME, CLEAR_TIME = 12.0, 2.0, 1.0  # s
PHASE = GREEN_TIME + YELLOW_TIME + CLEAR_TIME


@dataclass
class Signals:
    """All lights of a town during one drive."""

    net: Network
    offsets: dict[int, float] = field(default_factory=dict)  # junction index -> s

    @classmethod
    def random(cls, net: Network, rng: np.random.Generator) -> Signals:
        """Lights that are out of step with each other."""
        lit = [k for k, junction in enumerate(net.junctions) if junction.signalled]
        return cls(net, {k: float(rng.uniform(0.0, 4 * PHASE)) for k in lit})

    def state(self, junction: int, block: int, time: float) -> int:
        """GREEN, YELLOW or RED for the traffic that comes from a roadblock."""
        if junction not in self.offsets:
            return GREEN
        approaches = self.net.junctions[junction].approaches
        clock = (time + self.offsets[junction]) % (PHASE * len(approaches))
        since = clock - PHASE * approaches.index(block)
        if not 0.0 <= since < PHASE:
            return RED
        if since < GREEN_TIME:
            return GREEN
        return YELLOW if since < GREEN_TIME + YELLOW_TIME else RED

    def turn_green(self, junction: int, block: int, time: float) -> None:
        """Shift the junction so that the roadblock's green begins at `time` (s)."""
        approaches = self.net.junctions[junction].approaches
        self.offsets[junction] = PHASE * approaches.index(block) - time

    def frame(self, time: float) -> list[tuple[int, bool]]:
        """(lane connector id, is red) of all signalled connectors, as NAVSIM logs them."""
        return [
            (c.fid, self.state(c.junction, c.source.block, time) == RED)
            for c in self.net.connectors.values()
            if c.junction in self.offsets
        ]

"""Right of way at junctions without lights: who is inside, who insists, ego, then the nearest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reworld_agent.scenes.synthetic.town.network import Network

_INSIDE, _INSISTS, _EGO = -100.0, -75.0, -50.0  # ranks; everybody else's is the distance


class Request(NamedTuple):
    """Somebody near a junction."""

    actor: int
    junction: int
    connector: int
    rest: float  # m to the stop line
    inside: bool  # beyond the line, with right of way
    insists: bool = False  # goes before ego

    @property
    def rank(self) -> tuple[float, int]:
        """Lowest goes first."""
        if self.inside or self.insists:
            return (_INSIDE if self.inside else _INSISTS), self.actor
        return (_EGO if self.actor == 0 else self.rest), self.actor


class RightOfWay:
    """Grants ways through junctions that do not cross or merge."""

    def __init__(self, net: Network) -> None:
        self._net = net
        self._known: dict[tuple[int, int], bool] = {}

    def grant(self, requests: Iterable[Request]) -> set[int]:
        """The actors that may pass now."""
        granted: set[int] = set()
        chosen: dict[int, list[int]] = {}
        for request in sorted(requests, key=lambda request: request.rank):
            others = chosen.setdefault(request.junction, [])
            if not any(self.conflict(request.connector, other) for other in others):
                granted.add(request.actor)
                others.append(request.connector)
        return granted

    def conflict(self, first: int, second: int) -> bool:
        """Whether two connectors of different lanes share ground."""
        key = (min(first, second), max(first, second))
        if key not in self._known:
            a, b = self._net.connectors[first], self._net.connectors[second]
            same = a.source.fid == b.source.fid
            self._known[key] = not same and a.polygon.intersection(b.polygon).area > 0.5
        return self._known[key]

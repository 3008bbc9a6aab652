"""Which worker scores which scene of a call: an even share each, where it was before if it can."""

from __future__ import annotations

from collections.abc import Sequence


class Sharing:
    """Remembers where scenes were scored, since a scene that is kept ready costs less.

    Args:
        workers: how many there are.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._home: dict[str, int] = {}

    def shares(self, tokens: Sequence[str]) -> list[list[int]]:
        """Places in `tokens` for each worker; shares differ by at most one scene."""
        most = -(-len(tokens) // self._workers)
        shares: list[list[int]] = [[] for _ in range(self._workers)]
        homeless = []
        for place, token in enumerate(tokens):
            home = self._home.get(token)
            if home is None or len(shares[home]) >= most:
                homeless.append(place)
            else:
                shares[home].append(place)
        for place in homeless:
            chosen = min(range(self._workers), key=lambda one: len(shares[one]))
            shares[chosen].append(place)
            self._home.setdefault(tokens[place], chosen)
        return shares

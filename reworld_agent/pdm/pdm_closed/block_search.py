"""Breadth-first search over the graph of blocks.

The reference search keeps no record of visited blocks: it walks level by level through every
walk, notes for each block of a level the LAST predecessor that reached it, and takes the FIRST
goal of a level. Both follow from the orders in which the blocks of a level occur first and last,
so that each level holds a block once here and the cost no longer grows with the number of walks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable


def search_blocks(
    start: int, goals: Iterable[int], neighbours: Callable[[int], list[int]], max_depth: int
) -> list[int] | None:
    """Shortest walk from `start` to any goal.

    Args:
        start: first block.
        goals: blocks to reach; `start` may be among them.
        neighbours: blocks one step further on.
        max_depth: most blocks of the walk, `start` included.

    Returns:
        The blocks from `start` to the goal, or None where no goal is within reach.
    """
    targets = set(goals)
    by_first, by_last = [start], [start]
    parents: list[dict[int, int]] = [{}]
    for depth in range(1, max_depth + 1):
        found = next((block for block in by_first if block in targets), None)
        if found is not None:
            return _walk(found, depth, parents)
        by_first = list(dict.fromkeys(n for block in by_first for n in neighbours(block)))
        latest: dict[int, int] = {}
        for block in by_last:
            for n in neighbours(block):
                latest.pop(n, None)
                latest[n] = block
        by_last = list(latest)
        parents.append(latest)
        if not by_first:
            return None
    return None


def _walk(block: int, depth: int, parents: list[dict[int, int]]) -> list[int]:
    walk = [block]
    for level in range(depth - 1, 0, -1):
        block = parents[level][block]
        walk.append(block)
    return walk[::-1]

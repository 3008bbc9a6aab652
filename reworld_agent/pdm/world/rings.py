"""Polygons as flat arrays: vertices of all rings, first vertex of each ring, first ring of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Rings(NamedTuple):
    """P polygons, R rings, V vertices."""

    xy: NDArray[np.float64]  # [V, 2] m
    ring_start: NDArray[np.int32]  # [R + 1]
    polygon_ring_start: NDArray[np.int32]  # [P + 1]


def flatten(polygons: list[list[NDArray[np.float64]]]) -> Rings:
    """Lists of rings [N, 2], one list a polygon → flat arrays."""
    rings = [ring for polygon in polygons for ring in polygon]
    return Rings(
        np.concatenate(rings) if rings else np.empty((0, 2)),
        _starts([len(ring) for ring in rings]),
        _starts([len(polygon) for polygon in polygons]),
    )


def _starts(lengths: list[int]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)

"""Building the raster of `grid`.

Every polygon's edges are listed in the cells that they meet, and its inside is filled row by row.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper, kernel
from reworld_agent.pdm.world.grid import (
    CELL,
    COVERED,
    FIRST,
    INSIDE,
    LANE,
    LAST,
    POLYGON,
    ROLE,
    START,
    Grid,
)

REACH = 120.0  # m around the ego; farther points take the slow path
_SLACK = 1e-6  # m, so that an edge on a cell's border is listed on both sides
# Keeps the raster's lines off round coordinates, where map edges like to lie.
_SHIFT = 0.3819660113


@kernel
def _read_rings(
    ring_xy: NDArray[np.float64],
    ring_start: NDArray[np.int32],
    polygon_ring_start: NDArray[np.int32],
    origin: NDArray[np.float64],
    edges: NDArray[np.float64],
    polygons: NDArray[np.int64],
    bounds: NDArray[np.float64],
    room: NDArray[np.int64],
) -> int:
    """Rings → edges, polygons and bounds of `Grid`, and room [P] for each polygon's entries.

    Returns:
        Number of edges.
    """
    count = 0
    for p in range(len(polygon_ring_start) - 1):
        low_x, low_y, high_x, high_y = math.inf, math.inf, -math.inf, -math.inf
        polygons[p, 1] = count
        cells = 1.0  # at most: (edge, cell) pairs and the area that covered cells can have
        for r in range(polygon_ring_start[p], polygon_ring_start[p + 1]):
            first, last = ring_start[r], ring_start[r + 1] - 1
            area = 0.0
            for i in range(first, last + 1):
                after = i + 1 if i < last else first
                ax, ay = ring_xy[i, 0] - origin[0], ring_xy[i, 1] - origin[1]
                bx, by = ring_xy[after, 0] - origin[0], ring_xy[after, 1] - origin[1]
                low_x, low_y = min(low_x, ax), min(low_y, ay)
                high_x, high_y = max(high_x, ax), max(high_y, ay)
                area += 0.5 * (ax * by - ay * bx)
                if ax != bx or ay != by:
                    edges[count, 0], edges[count, 1] = ax, ay
                    edges[count, 2], edges[count, 3] = bx, by
                    cells += (abs(bx - ax) + 3.0 * abs(by - ay)) / CELL + 12.0
                    count += 1
            cells += abs(area) / (CELL * CELL) + 1.0
        bounds[p, 0], bounds[p, 1], bounds[p, 2], bounds[p, 3] = low_x, low_y, high_x, high_y
        polygons[p, 2], room[p] = count, int(cells)
    return count


@helper
def _mark(
    edges: NDArray[np.float64],
    first: int,
    last: int,
    origin: NDArray[np.float64],
    heads: NDArray[np.int32],
    toggles: NDArray[np.bool_],
    spans: NDArray[np.int64],
    links: NDArray[np.int32],
) -> None:
    """List the edges of one polygon in the cells they meet.

    Fills `heads` [rows, columns + 1] (a linked list per cell in `links` [n, 2]), `toggles` (edges
    crossing a row's lower line in that cell) and `spans` [rows, 2], the columns used in each row.
    """
    ny, nx = heads.shape[0], heads.shape[1] - 1
    gx, gy = origin[0], origin[1]
    count = 0
    for e in range(first, last):
        ax, ay, bx, by = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
        low_y, high_y = min(ay, by), max(ay, by)
        row_low = max(math.floor((low_y - _SLACK - gy) / CELL), 0)
        row_high = min(math.floor((high_y + _SLACK - gy) / CELL), ny - 1)
        slope = (bx - ax) / (by - ay) if ay != by else 0.0
        for row in range(row_low, row_high + 1):
            bottom = gy + row * CELL
            x0, x1 = ax, bx
            if ay != by:
                y0 = min(max(bottom - _SLACK, low_y), high_y)
                y1 = min(max(bottom + CELL + _SLACK, low_y), high_y)
                x0, x1 = ax + (y0 - ay) * slope, ax + (y1 - ay) * slope
            low = max(math.floor((min(x0, x1) - _SLACK - gx) / CELL), 0)
            high = min(math.floor((max(x0, x1) + _SLACK - gx) / CELL), nx)
            if (ay > bottom) != (by > bottom):
                column = min(math.floor((ax + (bottom - ay) * slope - gx) / CELL), nx)
                spans[row, 0] = min(spans[row, 0], max(column, 0))
                spans[row, 1] = max(spans[row, 1], column)
                if column >= 0:
                    toggles[row, column] = not toggles[row, column]
            if low <= high:
                spans[row, 0], spans[row, 1] = min(spans[row, 0], low), max(spans[row, 1], high)
            for column in range(low, min(high, nx - 1) + 1):
                links[count, 0], links[count, 1] = e, heads[row, column]
                heads[row, column] = count
                count += 1


@helper
def _collect(
    p: int,
    role: int,
    rows: tuple[int, int],
    heads: NDArray[np.int32],
    toggles: NDArray[np.bool_],
    spans: NDArray[np.int64],
    links: NDArray[np.int32],
    cells: NDArray[np.int32],
    place: NDArray[np.int32],
    entries: NDArray[np.int32],
    listed: NDArray[np.int32],
    counts: NDArray[np.int64],
) -> None:
    """Turn the marks of polygon `p` into entries, and clear the marks.

    Cells that it covers need an entry only if it is a lane, because only lanes are counted.
    `counts` [2] are the numbers of entries and of listed edges so far.
    """
    nx = heads.shape[1] - 1
    n_entries, n_listed = counts[0], counts[1]
    for row in range(rows[0], rows[1] + 1):
        inside = False
        for column in range(spans[row, 1], spans[row, 0] - 1, -1):
            if toggles[row, column]:
                inside = not inside
                toggles[row, column] = False
            if column == nx:
                continue
            link = heads[row, column]
            if link < 0:
                if not inside:
                    continue
                cells[row * nx + column, COVERED] |= role
                if not role & LANE:
                    continue
            place[n_entries] = row * nx + column
            entries[n_entries, POLYGON], entries[n_entries, ROLE] = p, role
            entries[n_entries, INSIDE] = inside
            entries[n_entries, FIRST] = n_listed
            while link >= 0:
                listed[n_listed] = links[link, 0]
                n_listed += 1
                link = links[link, 1]
            entries[n_entries, LAST] = n_listed
            heads[row, column] = -1
            n_entries += 1
        spans[row, 0], spans[row, 1] = nx + 1, -1
    counts[0], counts[1] = n_entries, n_listed


@kernel
def _rasterise(
    edges: NDArray[np.float64],
    polygons: NDArray[np.int64],
    bounds: NDArray[np.float64],
    origin: NDArray[np.float64],
    heads: NDArray[np.int32],
    toggles: NDArray[np.bool_],
    spans: NDArray[np.int64],
    links: NDArray[np.int32],
    cells: NDArray[np.int32],
    place: NDArray[np.int32],
    entries: NDArray[np.int32],
    listed: NDArray[np.int32],
) -> int:
    """All polygons, one after the other; fills the last four arrays, returns how many entries."""
    counts = np.empty(2, np.int64)
    counts[0], counts[1] = 0, 0
    ny = heads.shape[0]
    for row in range(ny):
        spans[row, 0], spans[row, 1] = heads.shape[1], -1
    for p in range(len(polygons)):
        first, last = polygons[p, 1], polygons[p, 2]
        if first == last:
            continue
        _mark(edges, first, last, origin, heads, toggles, spans, links)
        low = max(math.floor((bounds[p, 1] - _SLACK - origin[1]) / CELL), 0)
        high = min(math.floor((bounds[p, 3] + _SLACK - origin[1]) / CELL), ny - 1)
        _collect(
            p,
            polygons[p, 0],
            (low, high),
            heads,
            toggles,
            spans,
            links,
            cells,
            place,
            entries,
            listed,
            counts,
        )
    return counts[0]


@kernel
def _sort_by_cell(
    n: int,
    place: NDArray[np.int32],
    entries: NDArray[np.int32],
    cells: NDArray[np.int32],
    ordered: NDArray[np.int32],
) -> None:
    """Sort `n` entries by their cell `place`; fills `ordered` and the first entries of `cells`."""
    n_cells = len(cells) - 1
    for i in range(n):
        cells[place[i], START] += 1
    total = 0
    for c in range(n_cells):
        total += cells[c, START]
        cells[c, START] = total
    cells[n_cells, START] = n
    for i in range(n - 1, -1, -1):  # each cell's end moves down to its beginning
        cells[place[i], START] -= 1
        at = cells[place[i], START]
        for column in range(5):
            ordered[at, column] = entries[i, column]


def build_grid(
    ring_xy: NDArray[np.float64],
    ring_start: NDArray[np.int32],
    polygon_ring_start: NDArray[np.int32],
    roles: NDArray[np.int64],
    origin: NDArray[np.float64],
    center: NDArray[np.float64],
) -> Grid:
    """Raster over the map of a scene.

    Args:
        ring_xy, ring_start, polygon_ring_start: polygons as in `SceneCache`, global.
        roles: [P] bits DRIVABLE, LANE, ROUTE, INTERSECTION.
        origin: [2] of the local coordinates.
        center: [2] local; the raster reaches `REACH` around it.
    """
    n = len(roles)
    edges, polygons = np.empty((len(ring_xy), 4)), np.empty((n, 3), np.int64)
    bounds, room = np.empty((n, 4)), np.zeros(n, np.int64)
    polygons[:, 0] = roles
    n_edges = _read_rings(
        ring_xy, ring_start, polygon_ring_start, origin, edges, polygons, bounds, room
    )
    low = np.maximum(bounds[:, :2].min(axis=0, initial=np.inf), center - REACH)
    high = np.minimum(bounds[:, 2:].max(axis=0, initial=-np.inf), center + REACH)
    low, high = np.minimum(low, center), np.maximum(high, center)
    corner = np.floor(low) - 1.0 - _SHIFT
    nx, ny = (int(v) for v in np.ceil((high - corner) / CELL) + 1)
    total = int(room.sum())
    place, listed = np.empty(total, np.int32), np.empty(total, np.int32)
    unsorted, spans = np.empty((total, 5), np.int32), np.empty((ny, 2), np.int64)
    heads, toggles = np.full((ny, nx + 1), -1, np.int32), np.zeros((ny, nx + 1), np.bool_)
    links = np.empty((int(room.max(initial=1)), 2), np.int32)
    cells = np.zeros((nx * ny + 1, 2), np.int32)
    n_entries = _rasterise(
        edges,
        polygons,
        bounds,
        corner,
        heads,
        toggles,
        spans,
        links,
        cells,
        place,
        unsorted,
        listed,
    )
    entries = np.empty((n_entries, 5), np.int32)
    _sort_by_cell(n_entries, place, unsorted, cells, entries)
    frame = np.array([corner[0], corner[1], nx, ny])
    return Grid(edges[:n_edges], polygons, bounds, frame, cells, entries, listed)

"""A raster over map polygons: which polygons hold a point, exactly, in some nanoseconds.

Every cell lists the polygons that meet it: those that cover it, and those with edges in it
together with these edges. A point in a cell is inside a polygon if the cell's lower left corner
is, toggled for each edge that the path corner → up → right to the point crosses. The corner's side
is known from building; only the few edges of the cell are looked at. Points outside the raster are
tested against all edges. Inside means strictly inside, by the even-odd rule.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import kernel

CELL = 1.0  # m
REACH = 120.0  # m around the ego; farther points take the slow path
_SLACK = 1e-6  # m, so that an edge on a cell's border is listed on both sides
# Keeps the raster's lines off round coordinates, where map edges like to lie.
_SHIFT = 0.3819660113


class Grid(NamedTuple):
    """Raster over some polygons, in local coordinates [m]; E entries, one per polygon and cell."""

    edges: NDArray[np.float64]  # [edges, 4] ax, ay, bx, by, all polygons
    edge_start: NDArray[np.int64]  # [P + 1] first edge of each polygon
    bounds: NDArray[np.float64]  # [P, 4] low x, low y, high x, high y of each polygon
    members: NDArray[np.int64]  # polygons that this raster is about
    origin: NDArray[np.float64]  # [2] lower left corner
    shape: NDArray[np.int64]  # [2] columns, rows
    covered: NDArray[np.bool_]  # [cells] some member covers the whole cell
    cell_start: NDArray[np.int64]  # [cells + 1] first entry of each cell
    entry_polygon: NDArray[np.int64]  # [E]
    entry_inside: NDArray[np.bool_]  # [E] whether the cell's corner is inside
    entry_edges: NDArray[np.int64]  # [E, 2] range in `listed`
    listed: NDArray[np.int64]  # edge numbers


@kernel
def polygon_edges(
    ring_xy: NDArray[np.float64],
    ring_start: NDArray[np.int32],
    polygon_ring_start: NDArray[np.int32],
    origin_x: float,
    origin_y: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Rings → edges [E, 4] relative to the origin, first edge [P + 1] and bounds [P, 4]."""
    n = len(polygon_ring_start) - 1
    bounds = np.empty((n, 4))
    edges = np.empty((len(ring_xy), 4))
    starts = np.zeros(n + 1, np.int64)
    count = 0
    for p in range(n):
        bounds[p, 0], bounds[p, 1], bounds[p, 2], bounds[p, 3] = (
            math.inf,
            math.inf,
            -math.inf,
            -math.inf,
        )
        for r in range(polygon_ring_start[p], polygon_ring_start[p + 1]):
            first, last = ring_start[r], ring_start[r + 1] - 1
            for i in range(first, last + 1):
                after = i + 1 if i < last else first
                ax, ay = ring_xy[i, 0] - origin_x, ring_xy[i, 1] - origin_y
                bx, by = ring_xy[after, 0] - origin_x, ring_xy[after, 1] - origin_y
                bounds[p, 0], bounds[p, 1] = min(bounds[p, 0], ax), min(bounds[p, 1], ay)
                bounds[p, 2], bounds[p, 3] = max(bounds[p, 2], ax), max(bounds[p, 3], ay)
                if ax != bx or ay != by:
                    edges[count, 0], edges[count, 1] = ax, ay
                    edges[count, 2], edges[count, 3] = bx, by
                    count += 1
        starts[p + 1] = count
    return edges[:count].copy(), starts, bounds


@kernel
def _mark(
    edges: NDArray[np.float64],
    first: int,
    last: int,
    geometry: tuple[float, float, int, int],
    heads: NDArray[np.int64],
    toggles: NDArray[np.bool_],
    spans: NDArray[np.int64],
    links: NDArray[np.int64],
) -> int:
    """List the edges of one polygon in the cells they meet.

    Fills `heads` [rows, columns + 1] (a linked list per cell in `links` [n, 2]), `toggles` (edges
    crossing a row's lower line in that cell) and `spans` [rows, 2], the columns used in each row.

    Returns:
        Number of links.
    """
    gx, gy, nx, ny = geometry
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
            column_low = max(math.floor((min(x0, x1) - _SLACK - gx) / CELL), 0)
            column_high = min(math.floor((max(x0, x1) + _SLACK - gx) / CELL), nx)
            if (ay > bottom) != (by > bottom):
                column = min(math.floor((ax + (bottom - ay) * slope - gx) / CELL), nx)
                spans[row, 0] = min(spans[row, 0], max(column, 0))
                spans[row, 1] = max(spans[row, 1], column)
                if column >= 0:
                    toggles[row, column] = not toggles[row, column]
            if column_low <= column_high:
                spans[row, 0] = min(spans[row, 0], column_low)
                spans[row, 1] = max(spans[row, 1], column_high)
            for column in range(column_low, min(column_high, nx - 1) + 1):
                links[count, 0], links[count, 1] = e, heads[row, column]
                heads[row, column] = count
                count += 1
    return count


@kernel
def _capacity(edges: NDArray[np.float64], edge_start: NDArray[np.int64], p: int) -> int:
    """Upper bound of the number of (edge, cell) pairs of polygon `p`."""
    total = 0.0
    for e in range(edge_start[p], edge_start[p + 1]):
        width, height = abs(edges[e, 2] - edges[e, 0]), abs(edges[e, 3] - edges[e, 1])
        total += width / CELL + 3.0 * (height / CELL + 3.0) + 3.0
    return int(total)


@kernel
def _rasterise(
    edges: NDArray[np.float64],
    edge_start: NDArray[np.int64],
    members: NDArray[np.int64],
    geometry: tuple[float, float, int, int],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Entries [E, 5] (cell, polygon, corner inside, range in the list) and the list of edges."""
    nx, ny = geometry[2], geometry[3]
    most, total = 1, 1
    for p in members:
        room = _capacity(edges, edge_start, p)
        most, total = max(most, room), total + room
    heads = np.full((ny, nx + 1), -1)
    toggles = np.zeros((ny, nx + 1), np.bool_)
    spans = np.empty((ny, 2), np.int64)
    links = np.empty((most, 2), np.int64)
    listed = np.empty(total, np.int64)
    entries = np.empty((total, 5), np.int64)
    n_listed, n_entries = 0, 0
    for p in members:
        spans[:, 0], spans[:, 1] = nx + 1, -1
        _mark(edges, edge_start[p], edge_start[p + 1], geometry, heads, toggles, spans, links)
        for row in range(ny):
            inside = False
            for column in range(spans[row, 1], spans[row, 0] - 1, -1):
                if toggles[row, column]:
                    inside = not inside
                    toggles[row, column] = False
                if column == nx:
                    continue
                link = heads[row, column]
                if link < 0 and not inside:
                    continue
                if n_entries == len(entries):
                    entries = np.concatenate((entries, np.empty_like(entries)))
                start = n_listed
                while link >= 0:
                    listed[n_listed] = links[link, 0]
                    n_listed += 1
                    link = links[link, 1]
                heads[row, column] = -1
                entries[n_entries, 0], entries[n_entries, 1] = row * nx + column, p
                entries[n_entries, 2] = 1 if inside else 0
                entries[n_entries, 3], entries[n_entries, 4] = start, n_listed
                n_entries += 1
    return entries[:n_entries], listed[:n_listed].copy()


@kernel
def _sort_by_cell(
    entries: NDArray[np.int64], n_cells: int
) -> tuple[
    NDArray[np.bool_],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.bool_],
    NDArray[np.int64],
]:
    """Entries by cell: covered, cell_start, entry_polygon, entry_inside, entry_edges."""
    n = len(entries)
    starts = np.zeros(n_cells + 1, np.int64)
    covered = np.zeros(n_cells, np.bool_)
    polygon, inside = np.empty(n, np.int64), np.empty(n, np.bool_)
    ranges = np.empty((n, 2), np.int64)
    for i in range(n):
        starts[entries[i, 0] + 1] += 1
    for c in range(n_cells):
        starts[c + 1] += starts[c]
    place = starts.copy()
    for i in range(n):
        cell = entries[i, 0]
        at = place[cell]
        place[cell] += 1
        polygon[at], inside[at] = entries[i, 1], entries[i, 2] == 1
        ranges[at, 0], ranges[at, 1] = entries[i, 3], entries[i, 4]
        if entries[i, 3] == entries[i, 4]:
            covered[cell] = True
    return covered, starts, polygon, inside, ranges


def build_grid(
    edges: NDArray[np.float64],
    edge_start: NDArray[np.int64],
    bounds: NDArray[np.float64],
    members: NDArray[np.int64],
    center: NDArray[np.float64],
) -> Grid:
    """Raster over the polygons `members`, at most `REACH` around `center` (local, [m])."""
    low, high = np.zeros(2), np.zeros(2)
    if len(members):
        low = np.maximum(bounds[members, :2].min(0), center - REACH)
        high = np.minimum(bounds[members, 2:].max(0), center + REACH)
    origin = np.floor(low) - 1.0 - _SHIFT
    shape = np.maximum(np.ceil((high - origin) / CELL).astype(np.int64) + 1, 1)
    geometry = (float(origin[0]), float(origin[1]), int(shape[0]), int(shape[1]))
    entries, listed = _rasterise(edges, edge_start, members, geometry)
    by_cell = _sort_by_cell(entries, int(shape[0] * shape[1]))
    return Grid(edges, edge_start, bounds, members, origin, shape, *by_cell, listed)


@kernel
def _crosses(
    edges: NDArray[np.float64], e: int, x: float, y: float, x0: float, y0: float
) -> tuple[bool, bool]:
    """(the point (x, y) lies on edge e, the path (x0, y0) → (x0, y) → (x, y) crosses it)."""
    ax, ay, bx, by = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
    ux, uy = bx - ax, by - ay
    if (x == ax and y == ay) or (ay == by == y and min(ax, bx) <= x <= max(ax, bx)):
        return True, False
    side_start = ux * (y - ay) - uy * (x0 - ax)
    odd = False
    if (ay > y) != (by > y):
        side = ux * (y - ay) - uy * (x - ax)
        if side == 0.0:
            return True, False
        odd = (side < 0.0) == (uy > 0.0) and (side_start > 0.0) == (uy > 0.0)
    if (ax > x0) != (bx > x0):
        side_corner = ux * (y0 - ay) - uy * (x0 - ax)
        if (side_start > 0.0) == (ux > 0.0) and (side_corner < 0.0) == (ux > 0.0):
            odd = not odd
    return False, odd


@kernel
def _inside(grid: Grid, entry: int, x: float, y: float, x0: float, y0: float) -> bool:
    """Whether (x, y) is strictly inside the polygon of `entry`; (x0, y0) is the cell's corner."""
    inside = grid.entry_inside[entry]
    for k in range(grid.entry_edges[entry, 0], grid.entry_edges[entry, 1]):
        on_edge, odd = _crosses(grid.edges, grid.listed[k], x, y, x0, y0)
        if on_edge:
            return False
        if odd:
            inside = not inside
    return inside


@kernel
def polygon_holds(grid: Grid, p: int, x: float, y: float) -> bool:
    """Whether (x, y) is strictly inside polygon `p`; looks at all its edges."""
    inside = False
    if not (
        grid.bounds[p, 0] <= x <= grid.bounds[p, 2] and grid.bounds[p, 1] <= y <= grid.bounds[p, 3]
    ):
        return False
    for e in range(grid.edge_start[p], grid.edge_start[p + 1]):
        on_edge, odd = _crosses(grid.edges, e, x, y, -math.inf, y)
        if on_edge:
            return False
        if odd:
            inside = not inside
    return inside


@kernel
def holders(grid: Grid, x: float, y: float, found: NDArray[np.int64], only_one: bool) -> int:
    """Member polygons that strictly hold (x, y) (local, [m]).

    Args:
        grid: the raster.
        x, y: the point.
        found: filled with polygon numbers, room for all members.
        only_one: stop at the first one; then a covered cell answers without naming a polygon.

    Returns:
        How many were found.
    """
    column = math.floor((x - grid.origin[0]) / CELL)
    row = math.floor((y - grid.origin[1]) / CELL)
    count = 0
    if not (0 <= column < grid.shape[0] and 0 <= row < grid.shape[1]):
        for p in grid.members:
            if polygon_holds(grid, p, x, y):
                found[count] = p
                count += 1
        return count
    cell = row * grid.shape[0] + column
    if only_one and grid.covered[cell]:
        return 1
    x0, y0 = grid.origin[0] + column * CELL, grid.origin[1] + row * CELL
    for entry in range(grid.cell_start[cell], grid.cell_start[cell + 1]):
        if _inside(grid, entry, x, y, x0, y0):
            found[count] = grid.entry_polygon[entry]
            count += 1
            if only_one:
                return 1
    return count

"""A raster over the map's polygons: which of them hold a point, exactly, in some nanoseconds.

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

from reworld_agent.pdm.geometry import square_distance
from reworld_agent.pdm.kernel import helper, kernel

CELL = 2.0  # m
REACH = 120.0  # m around the ego; farther points take the slow path
_SLACK = 1e-6  # m, so that an edge on a cell's border is listed on both sides
# Keeps the raster's lines off round coordinates, where map edges like to lie.
_SHIFT = 0.3819660113

# Roles of a polygon, as bits.
# NumPy integers: numba would compile its functions anew for each literal of Python.
DRIVABLE, LANE, ROUTE, INTERSECTION = np.int64(1), np.int64(2), np.int64(4), np.int64(8)

# Columns of an entry and of a cell.
_POLYGON, _ROLE, _INSIDE, _FIRST, _LAST = range(5)
_COVERED, _START = range(2)


class Grid(NamedTuple):
    """Raster over P polygons in local coordinates [m]; E entries, one per polygon and cell."""

    edges: NDArray[np.float64]  # [edges, 4] ax, ay, bx, by, polygon by polygon
    polygons: NDArray[np.int64]  # [P, 3] role bits, first and last edge
    bounds: NDArray[np.float64]  # [P, 4] low x, low y, high x, high y of each polygon
    frame: NDArray[np.float64]  # [4] lower left corner, columns, rows
    cells: NDArray[np.int32]  # [cells + 1, 2] roles that cover the whole cell, first entry
    entries: NDArray[np.int32]  # [E, 5] polygon, role, corner inside, first and last of `listed`
    listed: NDArray[np.int32]  # edge numbers


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
                cells[row * nx + column, _COVERED] |= role
                if not role & LANE:
                    continue
            place[n_entries] = row * nx + column
            entries[n_entries, _POLYGON], entries[n_entries, _ROLE] = p, role
            entries[n_entries, _INSIDE] = inside
            entries[n_entries, _FIRST] = n_listed
            while link >= 0:
                listed[n_listed] = links[link, 0]
                n_listed += 1
                link = links[link, 1]
            entries[n_entries, _LAST] = n_listed
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
        cells[place[i], _START] += 1
    total = 0
    for c in range(n_cells):
        total += cells[c, _START]
        cells[c, _START] = total
    cells[n_cells, _START] = n
    for i in range(n - 1, -1, -1):  # each cell's end moves down to its beginning
        cells[place[i], _START] -= 1
        at = cells[place[i], _START]
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


@helper
def _crosses(
    edges: NDArray[np.float64], e: int | np.int64, x: float, y: float, x0: float, y0: float
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


@helper
def _entry_holds(
    edges: NDArray[np.float64],
    listed: NDArray[np.int32],
    entries: NDArray[np.int32],
    entry: int,
    x: float,
    y: float,
    x0: float,
    y0: float,
) -> bool:
    """Whether (x, y) is strictly inside the polygon of `entry`; (x0, y0) is the cell's corner."""
    inside = entries[entry, _INSIDE] == 1
    for k in range(entries[entry, _FIRST], entries[entry, _LAST]):
        on_edge, odd = _crosses(edges, np.int64(listed[k]), x, y, x0, y0)
        if on_edge:
            return False
        if odd:
            inside = not inside
    return inside


@helper
def polygon_holds(grid: Grid, p: int, x: float, y: float) -> bool:
    """Whether (x, y) is strictly inside polygon `p`; looks at all its edges."""
    inside = False
    if not (
        grid.bounds[p, 0] <= x <= grid.bounds[p, 2] and grid.bounds[p, 1] <= y <= grid.bounds[p, 3]
    ):
        return False
    for e in range(grid.polygons[p, 1], grid.polygons[p, 2]):
        on_edge, odd = _crosses(grid.edges, e, x, y, -math.inf, y)
        if on_edge:
            return False
        if odd:
            inside = not inside
    return inside


@helper
def lanes_at(grid: Grid, x: float, y: float, found: NDArray[np.int64]) -> int:
    """Lanes that strictly hold the point (x, y) (local, [m]).

    `found` is filled with their polygon numbers and has room for all; returns how many.
    """
    frame, cells, entries = grid.frame, grid.cells, grid.entries
    column, row = math.floor((x - frame[0]) / CELL), math.floor((y - frame[1]) / CELL)
    count = 0
    if not (0 <= column < frame[2] and 0 <= row < frame[3]):
        for p in range(len(grid.polygons)):
            if grid.polygons[p, 0] & LANE and polygon_holds(grid, p, x, y):
                found[count] = p
                count += 1
        return count
    cell = row * int(frame[2]) + column
    x0, y0 = frame[0] + column * CELL, frame[1] + row * CELL
    for entry in range(cells[cell, _START], cells[cell + 1, _START]):
        if entries[entry, _ROLE] & LANE and _entry_holds(
            grid.edges, grid.listed, entries, entry, x, y, x0, y0
        ):
            found[count] = entries[entry, _POLYGON]
            count += 1
    return count


@helper
def mark_held(
    grid: Grid,
    role: np.int64,
    points: NDArray[np.float64],
    held: NDArray[np.bool_],
) -> None:
    """Whether each point [n, 2] (local, [m]) is strictly inside some polygon of the role.

    One call for many points, because handing a raster to a compiled function costs more than
    looking up one point.
    """
    edges, listed, entries, cells = grid.edges, grid.listed, grid.entries, grid.cells
    gx, gy, nx, ny = grid.frame[0], grid.frame[1], int(grid.frame[2]), int(grid.frame[3])
    for i in range(len(points)):
        x, y = points[i, 0], points[i, 1]
        column, row = math.floor((x - gx) / CELL), math.floor((y - gy) / CELL)
        if not (0 <= column < nx and 0 <= row < ny):
            held[i] = False
            for p in range(len(grid.polygons)):
                if grid.polygons[p, 0] & role and polygon_holds(grid, p, x, y):
                    held[i] = True
                    break
            continue
        cell = row * nx + column
        answer = cells[cell, _COVERED] & role != 0
        if not answer:
            x0, y0 = gx + column * CELL, gy + row * CELL
            for entry in range(cells[cell, _START], cells[cell + 1, _START]):
                if entries[entry, _ROLE] & role and _entry_holds(
                    edges, listed, entries, entry, x, y, x0, y0
                ):
                    answer = True
                    break
        held[i] = answer


@helper
def nearest_edge(grid: Grid, role: np.int64, x: float, y: float) -> tuple[float, int]:
    """Squared distance [m²] to the nearest edge of the role's polygons, and its polygon.

    (inf, -1) where no edge is within `CELL`: only the point's cell and those around it are looked
    at. The first of equally near polygons wins.
    """
    gx, gy, nx, ny = grid.frame[0], grid.frame[1], int(grid.frame[2]), int(grid.frame[3])
    column, row = math.floor((x - gx) / CELL), math.floor((y - gy) / CELL)
    best, nearest = CELL * CELL, -1
    for near_row in range(max(row - 1, 0), min(row + 2, ny)):
        for cell in range(near_row * nx + max(column - 1, 0), near_row * nx + min(column + 2, nx)):
            for entry in range(grid.cells[cell, _START], grid.cells[cell + 1, _START]):
                polygon = grid.entries[entry, _POLYGON]
                if not grid.entries[entry, _ROLE] & role:
                    continue
                for k in range(grid.entries[entry, _FIRST], grid.entries[entry, _LAST]):
                    e = grid.listed[k]
                    ax, ay, bx, by = (
                        grid.edges[e, 0],
                        grid.edges[e, 1],
                        grid.edges[e, 2],
                        grid.edges[e, 3],
                    )
                    square, _ = square_distance(x, y, ax, ay, bx, by)
                    if square < best or (square == best and polygon < nearest):
                        best, nearest = square, polygon
    return (best, nearest) if nearest >= 0 else (math.inf, -1)

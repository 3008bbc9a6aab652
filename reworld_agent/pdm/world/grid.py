"""A raster over the map's polygons: which of them hold a point, exactly, in some nanoseconds.

Every cell lists the polygons that meet it: those that cover it, and those with edges in it
together with these edges. A point in a cell is inside a polygon if the cell's lower left corner
is, toggled for each edge that the path corner → up → right to the point crosses. The corner's side
is known from building (`grid_build`); only the few edges of the cell are looked at. Points outside
the raster are tested against all edges. Inside means strictly inside, by the even-odd rule.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.kernel import helper
from reworld_agent.pdm.world.geometry import square_distance

CELL = 2.0  # m

# Roles of a polygon, as bits.
# NumPy integers: numba would compile its functions anew for each literal of Python.
DRIVABLE, LANE, ROUTE, INTERSECTION = np.int64(1), np.int64(2), np.int64(4), np.int64(8)

# Columns of an entry and of a cell.
POLYGON, ROLE, INSIDE, FIRST, LAST = range(5)
COVERED, START = range(2)


class Grid(NamedTuple):
    """Raster over P polygons in local coordinates [m]; E entries, one per polygon and cell."""

    edges: NDArray[np.float64]  # [edges, 4] ax, ay, bx, by, polygon by polygon
    polygons: NDArray[np.int64]  # [P, 3] role bits, first and last edge
    bounds: NDArray[np.float64]  # [P, 4] low x, low y, high x, high y of each polygon
    frame: NDArray[np.float64]  # [4] lower left corner, columns, rows
    cells: NDArray[np.int32]  # [cells + 1, 2] roles that cover the whole cell, first entry
    entries: NDArray[np.int32]  # [E, 5] polygon, role, corner inside, first and last of `listed`
    listed: NDArray[np.int32]  # edge numbers


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
    inside = entries[entry, INSIDE] == 1
    for k in range(entries[entry, FIRST], entries[entry, LAST]):
        on_edge, odd = _crosses(edges, np.int64(listed[k]), x, y, x0, y0)
        if on_edge:  # shapely's `contains`: who stands on the border is outside
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
        if on_edge:  # shapely's `contains`: who stands on the border is outside
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
    for entry in range(cells[cell, START], cells[cell + 1, START]):
        if entries[entry, ROLE] & LANE and _entry_holds(
            grid.edges, grid.listed, entries, entry, x, y, x0, y0
        ):
            found[count] = entries[entry, POLYGON]
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
        answer = cells[cell, COVERED] & role != 0
        if not answer:
            x0, y0 = gx + column * CELL, gy + row * CELL
            for entry in range(cells[cell, START], cells[cell + 1, START]):
                if entries[entry, ROLE] & role and _entry_holds(
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
            for entry in range(grid.cells[cell, START], grid.cells[cell + 1, START]):
                polygon = grid.entries[entry, POLYGON]
                if not grid.entries[entry, ROLE] & role:
                    continue
                for k in range(grid.entries[entry, FIRST], grid.entries[entry, LAST]):
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

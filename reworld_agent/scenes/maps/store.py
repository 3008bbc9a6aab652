"""The geometries of one kind of map object, read tile by tile as the scenes need them.

Real maps are hundreds of megabytes; a log stays within a few hundred metres. What was read once
stays in memory and is shared by all scenes of the process.
"""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.scenes.maps.layers import GeoPackage, Table, as_ids

TILE = 500.0  # m


class GeometryStore:
    """Geometries by the id of the object that they belong to.

    Args:
        package: the map file.
        layer: the layer's name.
        owners: columns that hold the id of the owner, the first that is not NULL counts; none:
            the row's own fid.
    """

    def __init__(self, package: GeoPackage, layer: str, owners: tuple[str, ...] = ()) -> None:
        self._package = package
        self._layer = layer
        self._owners = list(owners)
        self._shapes: dict[int, shapely.Geometry] = {}
        self._tiles: set[tuple[int, int]] = set()
        self._complete = False
        self._row_of_owner: dict[int, int] | None = None
        self._sorted: tuple[NDArray[np.int64], NDArray[np.object_], NDArray[np.float64]] | None = (
            None
        )

    def near(self, x: float, y: float, radius: float) -> NDArray[np.int64]:
        """Ids, ascending, of the objects that meet the box [x ± radius] × [y ± radius] [m]."""
        low_x, low_y, high_x, high_y = x - radius, y - radius, x + radius, y + radius
        self._load_tiles(low_x, low_y, high_x, high_y)
        ids, shapes, bounds = self._arrays()
        close = (
            (bounds[:, 0] <= high_x)
            & (bounds[:, 2] >= low_x)
            & (bounds[:, 1] <= high_y)
            & (bounds[:, 3] >= low_y)
        )
        inside = (
            (bounds[:, 0] >= low_x)
            & (bounds[:, 2] <= high_x)
            & (bounds[:, 1] >= low_y)
            & (bounds[:, 3] <= high_y)
        )
        doubtful = close & ~inside
        box = shapely.box(low_x, low_y, high_x, high_y)
        shapely.prepare(box)
        close[doubtful] = shapely.intersects(box, shapes[doubtful])
        return ids[close]

    def nearest(self, x: float, y: float) -> int | None:
        """Id of the object nearest to (x, y) in the whole city; None for an empty layer."""
        self._load_all()
        ids, shapes, _ = self._arrays()
        if not len(ids):
            return None
        return int(ids[np.argmin(shapely.distance(shapely.Point(x, y), shapes))])

    def get(self, owner: int) -> shapely.Geometry:
        """The geometry of one object.

        Raises:
            DataError: the map has none.
        """
        self.load([owner])
        return self._shapes[owner]

    def load(self, owners: list[int]) -> None:
        """Read the geometries of these objects, all in one go, where they are not yet here."""
        missing = [owner for owner in owners if owner not in self._shapes]
        if not missing:
            return
        if not self._owners:
            rows = missing
        else:
            if self._row_of_owner is None:
                table = self._package.attributes(self._layer, self._owners)
                self._row_of_owner = dict(
                    zip(self._owner_ids(table).tolist(), table.fids.tolist(), strict=True)
                )
            rows = [self._row_of_owner[o] for o in missing if o in self._row_of_owner]
        if rows:
            fids = np.array(sorted(rows), np.int64)
            self._add(self._package.rows(self._layer, fids, self._owners))
        for owner in missing:
            if owner not in self._shapes:
                raise DataError(
                    f"{self._package.path}: layer '{self._layer}' has no row of object {owner}",
                    "the map is incomplete; download it again",
                )

    def _load_tiles(self, low_x: float, low_y: float, high_x: float, high_y: float) -> None:
        if self._complete:
            return
        columns = range(math.floor(low_x / TILE), math.floor(high_x / TILE) + 1)
        rows = range(math.floor(low_y / TILE), math.floor(high_y / TILE) + 1)
        for tile in ((i, j) for i in columns for j in rows):
            if tile in self._tiles:
                continue
            i, j = tile
            box = (i * TILE, j * TILE, (i + 1) * TILE, (j + 1) * TILE)
            self._add(self._package.region(self._layer, box, self._owners))
            self._tiles.add(tile)

    def _load_all(self) -> None:
        if not self._complete:
            self._add(self._package.everything(self._layer, self._owners))
            self._complete = True

    def _owner_ids(self, table: Table) -> NDArray[np.int64]:
        if not self._owners:
            return table.fids
        ids = np.full(len(table.fids), -1, np.int64)
        for name in self._owners:
            ids = np.where(ids >= 0, ids, as_ids(table.columns[name]))
        return ids

    def _add(self, table: Table) -> None:
        assert table.geometries is not None
        new = zip(self._owner_ids(table).tolist(), table.geometries, strict=True)
        self._shapes.update((owner, shape) for owner, shape in new if owner not in self._shapes)
        self._sorted = None

    def _arrays(self) -> tuple[NDArray[np.int64], NDArray[np.object_], NDArray[np.float64]]:
        if self._sorted is None:
            ids = np.array(sorted(self._shapes), np.int64)
            shapes = np.empty(len(ids), np.object_)
            shapes[:] = [self._shapes[i] for i in ids.tolist()]
            self._sorted = (ids, shapes, shapely.bounds(shapes).reshape(-1, 4))
        return self._sorted

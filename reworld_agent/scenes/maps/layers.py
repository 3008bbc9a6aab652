"""Reading one layer of a city's `map.gpkg`: attributes, or geometries of a region or of given ids.

Geometries are stored in longitude and latitude and come back in the metric projection that the
layer `meta` names, by the same transformation as the devkit's (`to_crs`).
"""

from __future__ import annotations

import contextlib
import math
import re
import sqlite3
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.scenes.maps.sqlite_rows import Database, NoColumn, NoIndex

STORED_CRS = "EPSG:4326"
_REGION_MARGIN = 1e-4  # degrees, about 10 m: reading too much is harmless
_EDGE_POINTS = 11  # of a region's border, when it is turned into degrees


class Table(NamedTuple):
    """Rows of one layer, by ascending fid."""

    fids: NDArray[np.int64]  # [N]
    columns: dict[str, NDArray[Any]]  # each [N]
    geometries: NDArray[np.object_] | None  # [N] in metres, or None where not asked for


class GeoPackage:
    """One `map.gpkg`.

    Args:
        path: the file.

    Raises:
        DataError: the file is missing or cannot be read; later, a layer or column is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path)
        if not path.is_file():
            raise DataError(
                f"{path}: the city's map is missing",
                "download this city's map there, or leave its logs out (log_names=[...])",
            )

    @cached_property
    def layers(self) -> frozenset[str]:
        """Names of the layers in the file."""
        try:
            return self._database.layer_names()
        except sqlite3.Error as error:
            raise DataError(
                f"{self.path}: not a readable GeoPackage ({error})", "download the map again"
            ) from error

    @cached_property
    def projection(self) -> str:
        """The metric projection, e.g. "EPSG:32619"."""
        meta = self._read("meta", ["key", "value"], geometry=False)
        keys, values = meta.columns["key"], meta.columns["value"]
        found = [str(v) for k, v in zip(keys, values, strict=True) if k == "projectedCoordSystem"]
        if not found:
            raise DataError(
                f"{self.path}: layer 'meta' has no row 'projectedCoordSystem'",
                "add it, with the EPSG code of the city's UTM zone as its value",
            )
        return found[0]

    @cached_property
    def _to_metres(self) -> pyproj.Transformer:
        try:
            return pyproj.Transformer.from_crs(STORED_CRS, self.projection, always_xy=True)
        except pyproj.exceptions.CRSError as error:
            raise DataError(
                f"{self.path}: layer 'meta' names the unknown projection '{self.projection}'",
                'the value must look like "EPSG:32619"',
            ) from error

    def attributes(self, layer: str, columns: list[str]) -> Table:
        """All rows of `layer`, without their geometry."""
        return self._read(layer, columns, geometry=False)

    def region(
        self, layer: str, box: tuple[float, float, float, float], columns: list[str]
    ) -> Table:
        """Rows of `layer` near the box (x_min, y_min, x_max, y_max) [m], and maybe some more."""
        if self.projection == STORED_CRS:
            degrees = box
        else:
            degrees = self._to_metres.transform_bounds(
                *box, direction=pyproj.enums.TransformDirection.INVERSE, densify_pts=_EDGE_POINTS
            )
        low_x, low_y, high_x, high_y = degrees
        margin = _REGION_MARGIN
        bounds = (low_x - margin, low_y - margin, high_x + margin, high_y + margin)
        return self._read(layer, columns, box=bounds)

    def bounds(self, layers: Sequence[str]) -> tuple[float, float, float, float] | None:
        """x_min, y_min, x_max, y_max [m] of these layers; None where one has no index of it."""
        found = []
        for layer in layers:
            try:
                found += self._database.bounds(layer)
            except NoIndex:
                return None
            except sqlite3.Error as error:
                raise self._unreadable(layer, error) from error
        if not found:
            return None
        low_x, low_y, high_x, high_y = zip(*found, strict=True)
        box = min(low_x), min(low_y), max(high_x), max(high_y)
        if self.projection == STORED_CRS:
            return box
        try:
            return self._to_metres.transform_bounds(*box, densify_pts=_EDGE_POINTS)
        except pyproj.exceptions.ProjError:
            return None

    def rows(self, layer: str, fids: NDArray[np.int64], columns: list[str]) -> Table:
        """The rows of `layer` with these fids."""
        return self._read(layer, columns, fids=fids.tolist())

    def sample(self, layer: str, columns: list[str], count: int) -> Table:
        """The first rows of `layer` with their geometry."""
        return self._read(layer, columns, count=count)

    def everything(self, layer: str, columns: list[str]) -> Table:
        """All rows of `layer` with their geometry."""
        return self._read(layer, columns)

    def _read(self, layer: str, columns: list[str], geometry: bool = True, **which: Any) -> Table:
        if layer not in self.layers:
            raise DataError(
                f"{self.path}: layer '{layer}' is missing",
                "the file is no nuPlan map, or a part of one; download the map again",
            )
        try:
            rows = self._database.rows(layer, columns, geometry, **which)
        except NoColumn as error:
            raise DataError(
                f"{self.path}: layer '{layer}' has no column '{error}'",
                "the map is of another format; download nuPlan's maps, version 1.0",
            ) from error
        except (sqlite3.Error, OverflowError) as error:
            raise self._unreadable(layer, error) from error
        fids = np.array(rows.fids, np.int64)
        shapes = None if rows.wkb is None else self._in_metres(layer, fids, rows.wkb)
        return Table(fids, {name: _column(v) for name, v in rows.columns.items()}, shapes)

    def _unreadable(self, layer: str, error: Exception) -> DataError:
        what = f"{self.path}: layer '{layer}' cannot be read ({error})"
        return DataError(what, "download the map again")

    def _in_metres(
        self, layer: str, fids: NDArray[np.int64], wkb: list[bytes | None]
    ) -> NDArray[np.object_]:
        stored = np.empty(len(wkb), np.object_)
        stored[:] = wkb
        with warnings.catch_warnings():  # that it is no geometry is said below
            warnings.simplefilter("ignore")
            shapes = shapely.from_wkb(stored, on_invalid="warn")
        points, of_shape = shapely.get_coordinates(shapes, return_index=True)
        broken = shapely.is_missing(shapes) | shapely.is_empty(shapes)
        broken[of_shape[~np.isfinite(points).all(axis=1)]] = True
        if broken.any():
            raise DataError(
                f"{self.path}: layer '{layer}', fid {fids[np.argmax(broken)]}: the geometry is "
                "empty or has a coordinate that is not a number",
                "delete this row from the layer, or download the map again",
            )
        x, y = self._to_metres.transform(points[:, 0], points[:, 1])
        return shapely.set_coordinates(shapely.force_2d(shapes), np.column_stack([x, y]))


def _column(values: list[Any]) -> NDArray[Any]:
    """A column as an array: numbers where all are, NULL as NaN among them; else as it is."""
    kinds = set(map(type, values))
    if kinds <= {int}:
        with contextlib.suppress(OverflowError):
            return np.array(values, np.int64)
    elif kinds <= {int, float, type(None)}:
        return np.array([math.nan if value is None else value for value in values], np.float64)
    column = np.empty(len(values), np.object_)
    column[:] = values
    return column


def as_numbers(values: NDArray[Any], where: str) -> NDArray[np.float64]:
    """A column of numbers, NaN where it is NULL; `where` begins the message of the DataError."""
    try:
        return np.array([math.nan if v is None else float(v) for v in values.tolist()], np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} is no number ({error})", "download the map again") from error


def as_ids(values: NDArray[Any]) -> NDArray[np.int64]:
    """A column of fids as int64; -1 where it is NULL. Text columns hold one number a row."""
    if values.dtype == object:
        texts = [re.fullmatch(r"\s*(\d+)(\.0*)?\s*", str(value)) for value in values]
        return np.array([int(text[1]) if text else -1 for text in texts], np.int64)
    numbers = values.astype(np.float64)
    return np.where(np.isfinite(numbers), numbers, -1.0).astype(np.int64)

"""A hand-made city map in nuPlan's format, for tests: one road east, a turn north, a carpark.

Roadblock 1 (lanes 11 left, 12 right) leads east through connector 2 (turns 21, 22) into roadblock
3 (lanes 31, 32), and from lane 11 through connector 4 (turn 41) north into roadblock 5 (lane 51).
Lanes are 4 m wide; the border between lanes 11 and 12 is the line y = ORIGIN_Y.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from shapely import LineString, Polygon, box

CITY = "us-ma-boston"
VERSION = "9.12.1817"
EPSG = "EPSG:32619"
ORIGIN = np.array([330_000.0, 4_690_000.0])

Layer = tuple[dict[str, list[Any]], list[Any]]


def straight(x0: float, x1: float, y: float) -> LineString:
    """A lane's path east, one vertex a metre."""
    return LineString([(x, y) for x in np.linspace(x0, x1, round(x1 - x0) + 1)])


def strip(line: LineString, width: float = 4.0) -> Polygon:
    return line.buffer(width / 2, cap_style="flat")


def _turn() -> LineString:
    angle = np.linspace(-np.pi / 2, 0, 21)
    return LineString(np.column_stack([100 + 18 * np.cos(angle), 20 + 18 * np.sin(angle)]))


LINES = {
    11: straight(0, 100, 2.0),
    12: straight(0, 100, -2.0),
    21: straight(100, 130, 2.0),
    22: straight(100, 130, -2.0),
    31: straight(130, 230, 2.0),
    32: straight(130, 230, -2.0),
    41: _turn(),
    51: LineString([(118.0, y) for y in range(20, 101)]),
}
LANES = {11: 1, 12: 1, 31: 3, 32: 3, 51: 5}
TURNS = {21: (2, 11, 31), 22: (2, 12, 32), 41: (4, 11, 51)}


def layers() -> dict[str, Layer]:
    """Columns and geometries [m, relative to ORIGIN] of every layer."""
    lanes, turns = list(LANES), list(TURNS)
    connectors, before, after = zip(*TURNS.values(), strict=True)
    return {
        "lanes_polygons": (
            {
                "fid": lanes,
                "lane_fid": lanes,
                "lane_group_fid": list(LANES.values()),
                "speed_limit_mps": [10.0, 10.0, 12.0, 12.0, None],
            },
            [strip(LINES[lane]) for lane in lanes],
        ),
        "lane_connectors": (
            {
                "fid": turns,
                "lane_group_connector_fid": list(connectors),
                "exit_lane_fid": list(before),
                "entry_lane_fid": list(after),
                "speed_limit_mps": [10.0, 10.0, 5.0],
            },
            [LINES[turn] for turn in turns],
        ),
        "gen_lane_connectors_scaled_width_polygons": (
            {"fid": [901, 902, 903], "lane_connector_fid": turns},
            [strip(LINES[turn]) for turn in turns],
        ),
        "baseline_paths": (
            {
                "fid": list(range(701, 709)),
                "lane_fid": [k if k in LANES else None for k in LINES],
                "lane_connector_fid": [k if k in TURNS else None for k in LINES],
            },
            list(LINES.values()),
        ),
        "lane_groups_polygons": (
            {"fid": [1, 3, 5]},
            [box(0, -4, 100, 4), box(130, -4, 230, 4), box(116, 20, 120, 100)],
        ),
        "lane_group_connectors": (
            {"fid": [2, 4], "from_lane_group_fid": [1, 1], "to_lane_group_fid": [3, 5]},
            [box(100, -4, 130, 4), strip(_turn(), 5.0)],
        ),
        "intersections": ({"fid": [6]}, [box(100, -4, 130, 20)]),
        "carpark_areas": (
            {"fid": [7]},
            [box(20, 4, 60, 24).difference(box(30, 10, 40, 20))],
        ),
    }


def write_map(
    maps_root: Path, changed: dict[str, Layer | None] | None = None, epsg: str = EPSG
) -> Path:
    """Write the city; returns the file. `changed` replaces layers, None leaves one out."""
    path = maps_root / CITY / VERSION / "map.gpkg"
    path.parent.mkdir(parents=True, exist_ok=True)
    index = {CITY: {"version": VERSION, "layers": {}}}
    (maps_root / "nuplan-maps-v1.0.json").write_text(json.dumps(index))
    for name, layer in {**layers(), **(changed or {})}.items():
        if layer is None:
            continue
        columns, shapes = layer
        moved = [shapely.transform(shape, lambda xy: xy + ORIGIN) for shape in shapes]
        frame = gpd.GeoDataFrame(columns, geometry=moved, crs=EPSG).to_crs("EPSG:4326")
        pyogrio.write_dataframe(
            frame, path, layer=name, layer_options={"FID": "fid"}, append=path.exists()
        )
    meta = gpd.pd.DataFrame({"key": ["projectedCoordSystem"], "value": [epsg]})
    pyogrio.write_dataframe(meta, path, layer="meta", append=True)
    return path

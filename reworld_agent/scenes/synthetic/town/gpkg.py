"""Writing a town as nuPlan's `map.gpkg`: the layers and columns of its release, in EPSG:4326."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Point, Polygon

from reworld_agent.scenes.synthetic.town import geometry as geo
from reworld_agent.scenes.synthetic.town.layout import LANE_WIDTH
from reworld_agent.scenes.synthetic.town.network import Connector, Network, build_network
from reworld_agent.scenes.synthetic.town.plans import TownPlan
from reworld_agent.scenes.synthetic.town.scenery import Scenery, build_scenery

STORED_CRS = "EPSG:4326"
FIRST_FREE_ID = 100_000  # above every id of a network
TRAFFIC_LIGHT_STOP = 2  # nuPlan's stop_polygon_type_fid
TURN_TYPE = {"straight": 0, "left": 1, "right": 2}
Row = dict[str, Any]


def write_maps(folder: Path, unfinished: Path, towns: tuple[TownPlan, ...]) -> None:
    """Write the maps of all cities and `nuplan-maps-v1.0.json`; what is there already is kept.

    Args:
        folder: becomes NUPLAN_MAPS_ROOT. Files appear whole or not at all.
        unfinished: a folder on the same disk, of this process alone, for what is not whole yet.
        towns: all towns of a version; those of a city share its map.
    """
    # a map that a crash cuts short never gets to its place: SQLite need not wait for the disk.
    # The date is fixed, so that the same towns give the same bytes.
    pyogrio.set_gdal_config_options(
        {"OGR_SQLITE_SYNCHRONOUS": "OFF", "OGR_CURRENT_DATE": "2026-01-01T00:00:00.000Z"}
    )
    versions = {plan.city: plan.version for plan in towns}
    for city, version in versions.items():
        path = folder / city / version / "map.gpkg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = unfinished / f"{city}.gpkg"
            write_map([plan for plan in towns if plan.city == city], part)
            part.replace(path)
    index = {city: {"version": version, "layers": {}} for city, version in versions.items()}
    path = folder / "nuplan-maps-v1.0.json"
    if not path.exists():
        part = unfinished / path.name
        part.write_text(json.dumps(index, indent=1))
        part.replace(path)


def write_map(plans: list[TownPlan], path: Path) -> None:
    """Write one city's map with its towns."""
    tables: dict[str, list[Row]] = {}
    for plan in plans:
        for layer, rows in _tables(plan).items():
            shapes = _in_degrees(np.array([row["geometry"] for row in rows]), plan)
            placed = [{**row, "geometry": g} for row, g in zip(rows, shapes, strict=True)]
            tables.setdefault(layer, []).extend(placed)
    for layer, rows in tables.items():
        shapes = np.array([row.pop("geometry") for row in rows])
        kinds = sorted({shape.geom_type for shape in shapes})
        kind = kinds[0] if len(kinds) == 1 else "Unknown"
        options = {"geometry_type": kind, "crs": STORED_CRS}
        _write_layer(path, layer, rows, shapely.to_wkb(shapes), **options)
    meta = {"mapVersion": plans[0].version, "projectedCoordSystem": f"EPSG:{plans[0].epsg}"}
    _write_layer(path, "meta", [{"key": key, "value": value} for key, value in meta.items()])


def _tables(plan: TownPlan) -> dict[str, list[Row]]:
    """Rows of all layers of one town, geometries in its own metres."""
    net = build_network(plan.key)
    scenery = build_scenery(plan.key)
    ids = count(plan.first_id - 1 + FIRST_FREE_ID)
    return {
        **_lane_tables(net),
        **_connector_tables(net),
        **_junction_tables(net, ids),
        **_area_tables(net, scenery, ids),
        "boundaries": _boundaries(net),
        "baseline_paths": _baseline_paths(net, ids),
    }


def _in_degrees(shapes: NDArray[np.object_], plan: TownPlan) -> NDArray[np.object_]:
    """Geometries of a town's own metres in longitude and latitude."""
    to_degrees = pyproj.Transformer.from_crs(f"EPSG:{plan.epsg}", STORED_CRS, always_xy=True)

    def place(points: geo.Array) -> geo.Array:
        return np.stack(to_degrees.transform(*(points + plan.origin).T), axis=1)

    return shapely.transform(shapes, place)


def _write_layer(
    path: Path,
    layer: str,
    rows: list[Row],
    wkb: NDArray[np.object_] | None = None,
    **options: str,
) -> None:
    """Add a layer to the file; `wkb` [N] are the rows' geometries, where they have any."""
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    pyogrio.raw.write(
        path,
        wkb,
        [c.astype(object) if c.dtype.kind == "U" else c for c in columns.values()],
        list(columns),
        layer=layer,
        driver="GPKG",
        layer_options={"FID": "fid"},
        **options,
    )


def _lane_tables(net: Network) -> dict[str, list[Row]]:
    lanes = [
        {
            "fid": lane.fid,
            "lane_fid": lane.fid,
            "lane_group_fid": lane.block,
            "road_segment_fid": net.blocks[lane.block].segment,
            "lane_index": lane.index,
            "lane_type_fid": 0,
            "left_boundary_fid": lane.left[0],
            "right_boundary_fid": lane.right[0],
            "speed_limit_mps": lane.speed,
            "left_has_reflectors": 0,
            "right_has_reflectors": 0,
            "from_edge_fid": 0,
            "to_edge_fid": 0,
            "geometry": Polygon(np.concatenate([lane.left[1], lane.right[1][::-1]])),
        }
        for lane in net.lanes.values()
    ]
    groups = [
        {
            "fid": block.fid,
            "road_segment_fid": block.segment,
            "from_edge_fid": 0,
            "to_edge_fid": 0,
            "left_boundary_fid": block.lanes[0].left[0],
            "right_boundary_fid": block.lanes[-1].right[0],
            "geometry": block.polygon,
        }
        for block in net.blocks.values()
    ]
    return {"lanes_polygons": lanes, "lane_groups_polygons": groups}


def _connector_row(net: Network, connector: Connector) -> Row:
    junction = net.junctions[connector.junction]
    stop = net.stop_lines[connector.source.block]
    return {
        "fid": connector.fid,
        "intersection_fid": junction.fid,
        # nuPlan's names are inverted: the lane that is left is the exit lane
        "exit_lane_fid": connector.source.fid,
        "entry_lane_fid": connector.target.fid,
        "lane_group_connector_fid": connector.block,
        "turn_type_fid": TURN_TYPE[connector.kind],
        "traffic_light_stop_line_fids": str(stop.fid) if junction.signalled else "",
        "bulb_fids": "",
        "speed_limit_mps": connector.speed,
        "creator_id": 0,
        "geometry": LineString(connector.center),
    }


def _connector_tables(net: Network) -> dict[str, list[Row]]:
    polygons = [
        {
            "fid": c.polygon_fid,
            "lane_connector_fid": c.fid,
            "left_boundary_fid": c.boundaries[0],
            "right_boundary_fid": c.boundaries[1],
            "geometry": c.polygon,
        }
        for c in net.connectors.values()
    ]
    groups = [
        {
            "fid": block.fid,
            "intersection_fid": net.junctions[block.junction].fid,
            "from_lane_group_fid": block.source,
            "to_lane_group_fid": block.target,
            "left_boundary_fid": 0,
            "right_boundary_fid": 0,
            "geometry": block.polygon,
        }
        for block in net.connector_blocks.values()
    ]
    return {
        "lane_connectors": [_connector_row(net, c) for c in net.connectors.values()],
        "gen_lane_connectors_scaled_width_polygons": polygons,
        "lane_group_connectors": groups,
    }


def _junction_tables(net: Network, ids: Iterator[int]) -> dict[str, list[Row]]:
    signalled = {f for j in net.junctions if j.signalled for f in j.approaches}
    stops = [
        {
            "fid": stop.fid,
            "stop_polygon_type_fid": TRAFFIC_LIGHT_STOP,
            "lane_fids": ",".join(str(lane.fid) for lane in net.blocks[stop.block].lanes),
            "geometry": stop.polygon,
        }
        for stop in net.stop_lines.values()
        if stop.block in signalled
    ]
    lights = [
        {"fid": next(ids), "lane_connector_fid": c.fid, "geometry": Point(c.center[0])}
        for c in net.connectors.values()
        if net.junctions[c.junction].signalled
    ]
    junctions = [
        {
            "fid": j.fid,
            "intersection_type_fid": 0 if j.signalled else 1,
            "is_mini": 0,
            "geometry": j.polygon,
        }
        for j in net.junctions
    ]
    return {"stop_polygons": stops, "traffic_lights": lights, "intersections": junctions}


def _plain(ids: Iterator[int], polygons: Iterable[Polygon]) -> list[Row]:
    return [{"fid": next(ids), "geometry": polygon} for polygon in polygons]


def _area_tables(net: Network, scenery: Scenery, ids: Iterator[int]) -> dict[str, list[Row]]:
    segments = [
        {
            "fid": block.segment,
            "geometry": shapely.union_all(
                [b.polygon for b in net.blocks.values() if b.segment == block.segment]
            ),
        }
        for block in net.blocks.values()
        if block.forward
    ]
    crosswalks = [
        {
            "fid": c.fid,
            "intersection_fids": "",
            "lane_fids": "",
            "is_marked": 1,
            "crosswalk_type_fid": 0,
            "geometry": c.polygon,
        }
        for c in net.crosswalks
    ]
    carparks = [{**row, "heading": 0.0} for row in _plain(ids, scenery.carparks)]
    return {
        "road_segments": segments,
        "crosswalks": crosswalks,
        "walkways": _plain(ids, scenery.walkways),
        "generic_drivable_areas": _plain(ids, scenery.cycle_lanes),
        "carpark_areas": carparks,
    }


def _boundaries(net: Network) -> list[Row]:
    lines = {}
    for lane in net.lanes.values():
        last = lane.index == len(net.blocks[lane.block].lanes) - 1
        lines[lane.left[0]] = (0 if lane.index else 2, lane.left[1])
        lines[lane.right[0]] = (2 if last else 0, lane.right[1])
    for c in net.connectors.values():
        for fid, side in zip(c.boundaries, (0.5, -0.5), strict=True):
            lines[fid] = (3, geo.offset(c.center, side * LANE_WIDTH))
    return [
        {"fid": fid, "boundary_type_fid": kind, "geometry": LineString(line)}
        for fid, (kind, line) in lines.items()
    ]


def _baseline_paths(net: Network, ids: Iterator[int]) -> list[Row]:
    lanes = [(lane.fid, np.nan, lane.center) for lane in net.lanes.values()]
    connectors = [(np.nan, c.fid, c.center) for c in net.connectors.values()]
    return [
        {
            "fid": next(ids),
            "path_type_fid": 0,
            "lane_fid": lane,
            "lane_connector_fid": connector,
            "geometry": LineString(line),
        }
        for lane, connector, line in lanes + connectors
    ]

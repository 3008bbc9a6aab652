"""Maps have nuPlan's layers and columns, and their graph and polygons fit together."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely

from reworld_agent.scenes.synthetic import SplitRoots
from reworld_agent.scenes.synthetic.town.plans import PLANS, TOWNS

SEVERAL = "test-fan"
Layers = dict[str, gpd.GeoDataFrame]


@pytest.fixture(scope="module", params=[*PLANS, SEVERAL])
def layers(town: SplitRoots, town6: SplitRoots, request: pytest.FixtureRequest) -> Layers:
    """All layers of one city, geometries in metres; one holds several towns of version 6."""
    plan = TOWNS[request.param]
    roots = town6 if request.param == SEVERAL else town
    path = roots.maps_root / plan.city / plan.version / "map.gpkg"
    tables = {
        name: pyogrio.read_dataframe(path, layer=name, fid_as_index=True)
        for name in pyogrio.list_layers(path)[:, 0]
    }
    meta = dict(zip(tables["meta"].key, tables["meta"].value, strict=True))
    assert meta["projectedCoordSystem"] == f"EPSG:{plan.epsg}"
    assert all(t.crs == "EPSG:4326" for n, t in tables.items() if n != "meta")
    return {
        name: table.to_crs(meta["projectedCoordSystem"])
        for name, table in tables.items()
        if name != "meta"
    }


def test_layers_and_columns_are_those_of_the_reference(
    town: SplitRoots, devkit_reference: Path
) -> None:
    plan = PLANS["us-ma-boston"]
    ours = town.maps_root / plan.city / plan.version / "map.gpkg"
    theirs = devkit_reference / "maps" / plan.city / plan.version / "map.gpkg"
    assert set(pyogrio.list_layers(theirs)[:, 0]) <= set(pyogrio.list_layers(ours)[:, 0])
    for name, kind in pyogrio.list_layers(theirs):
        info = pyogrio.read_info(ours, layer=name)
        reference = pyogrio.read_info(theirs, layer=name)
        assert set(reference["fields"]) <= set(info["fields"]), name
        assert info["geometry_type"] == kind, name


def test_ids_are_unique_across_layers(layers: Layers) -> None:
    ids = np.concatenate([table.index.to_numpy() for table in layers.values()])
    assert len(np.unique(ids)) == len(ids)


def test_geometries_are_valid(layers: Layers) -> None:
    for name, table in layers.items():
        assert table.geometry.is_valid.all(), name
        assert not table.geometry.is_empty.any(), name


def test_connectors_begin_and_end_where_their_lanes_do(layers: Layers) -> None:
    base = layers["baseline_paths"]
    lanes = {int(k): g for k, g in zip(base.lane_fid, base.geometry, strict=True) if k == k}
    ways = {
        int(k): g for k, g in zip(base.lane_connector_fid, base.geometry, strict=True) if k == k
    }
    table = layers["lane_connectors"]
    assert set(ways) == set(table.index)
    assert set(lanes) == set(layers["lanes_polygons"].index)
    for fid, row in table.iterrows():
        first, last = ways[fid].coords[0], ways[fid].coords[-1]
        assert np.hypot(*np.subtract(lanes[row.exit_lane_fid].coords[-1], first)) < 1e-6
        assert np.hypot(*np.subtract(lanes[row.entry_lane_fid].coords[0], last)) < 1e-6


def test_graph_alternates_between_roadblocks_and_connectors(layers: Layers) -> None:
    blocks, groups = layers["lane_groups_polygons"], layers["lane_group_connectors"]
    lanes, ways = layers["lanes_polygons"], layers["lane_connectors"]
    assert set(groups.from_lane_group_fid) | set(groups.to_lane_group_fid) <= set(blocks.index)
    for _, way in ways.iterrows():
        group = groups.loc[way.lane_group_connector_fid]
        assert lanes.lane_group_fid[way.exit_lane_fid] == group.from_lane_group_fid
        assert lanes.lane_group_fid[way.entry_lane_fid] == group.to_lane_group_fid
    assert set(lanes.lane_group_fid) == set(blocks.index)


def test_a_wide_car_on_any_centre_line_stays_on_drivable_ground(layers: Layers) -> None:
    drivable = shapely.union_all(
        [
            *layers["lane_groups_polygons"].geometry,
            *layers["intersections"].geometry,
            *layers["carpark_areas"].geometry,
        ]
    )
    swept = shapely.union_all(layers["baseline_paths"].geometry.buffer(1.2, cap_style="flat"))
    assert swept.difference(drivable.buffer(1e-6)).area < 1e-3


def test_town_has_bends_junctions_and_car_parks(layers: Layers) -> None:
    assert len(layers["intersections"]) >= 4
    several = (layers["lanes_polygons"].index > TOWNS[SEVERAL].first_id).any()
    assert layers["lanes_polygons"].lane_index.max() <= (2 if several else 1)
    assert layers["carpark_areas"].geometry.area.max() > 300.0
    assert len(layers["crosswalks"]) > 4
    assert set(layers["lane_connectors"].turn_type_fid) == {0, 1, 2}

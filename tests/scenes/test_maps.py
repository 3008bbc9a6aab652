"""The map reader: against geopandas on the reference maps, and on a map made by hand."""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely

from reworld_agent.core.errors import DataError
from reworld_agent.scenes.maps import city as maps
from reworld_agent.scenes.maps.city import (
    INTERSECTION,
    LANE,
    ROADBLOCK,
    CityMap,
    open_city_map,
)
from reworld_agent.scenes.maps.inspect import inspect_map
from tests.scenes.mutations import mutate
from tests.scenes.small_map import CITY, LINES, ORIGIN, layers, write_map


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> CityMap:
    return CityMap(write_map(tmp_path_factory.mktemp("maps")))


def at(x: float, y: float) -> tuple[float, float]:
    """Global coordinates of a point of the hand-made map."""
    return ORIGIN[0] + x, ORIGIN[1] + y


def test_objects_near_a_point_meet_the_square(city: CityMap) -> None:
    x, y = at(50.0, 0.0)
    assert city.near(maps.ROADBLOCK, x, y, 1.0) == [1]
    assert city.near(maps.ROADBLOCK, x, y, 79.0) == [1, 5]
    assert city.near(maps.ROADBLOCK, x, y, 80.1) == [1, 3, 5]
    assert city.near(maps.CARPARK, *at(35.0, 15.0), 4.0) == []  # inside its hole
    assert city.near(maps.CARPARK, *at(35.0, 15.0), 5.1) == [7]
    assert city.near(maps.INTERSECTION, *at(50_000.0, 0.0), 100.0) == []


def test_nearest_object_of_the_whole_city(city: CityMap) -> None:
    assert city.nearest(maps.ROADBLOCK, *at(5000.0, -90.0)) == 3
    assert city.nearest(maps.ROADBLOCK_CONNECTOR, *at(118.0, 500.0)) == 4


def test_blocks_and_lanes_follow_each_other(city: CityMap) -> None:
    graph = city.graph
    assert graph.blocks_after(1) == [2, 4] and graph.blocks_before(5) == [4]
    assert graph.blocks_after(4) == [5] and graph.blocks_before(2) == [1]
    assert graph.blocks_after(3) == [] and graph.blocks_before(1) == []
    assert graph.lanes_after(11) == [21, 41] and graph.lanes_after(41) == [51]
    assert graph.lanes_of(1) == [11, 12] and graph.lanes_of(2) == [21, 22]
    assert graph.block_of(32) == 3 and graph.block_of(41) == 4
    assert graph.speed_limit(31) == 12.0 and graph.speed_limit(51) is None
    assert graph.is_block(4) and not graph.is_block(11)


def test_baselines_keep_their_vertices(city: CityMap) -> None:
    for lane, line in LINES.items():
        states, length = city.baseline(lane)
        np.testing.assert_allclose(states[:, :2], shapely.get_coordinates(line) + ORIGIN, atol=1e-8)
        assert length == pytest.approx(line.length, abs=1e-7)
    turn = city.baseline(41).states
    assert turn[0, 2] == pytest.approx(np.pi / 80, abs=1e-6)
    assert turn[-1, 2] == turn[-2, 2] == pytest.approx(np.pi / 2 - np.pi / 80, abs=1e-6)


def test_rings_hold_exterior_and_hole(city: CityMap) -> None:
    exterior, hole = city.rings(maps.CARPARK, 7)
    assert len(exterior) == 5 and len(hole) == 5
    assert np.ptp(hole - ORIGIN, axis=0) == pytest.approx([10.0, 10.0], abs=1e-7)
    assert len(city.rings(maps.LANE, 11)) == 1


def test_a_city_is_opened_once(tmp_path: Path) -> None:
    write_map(tmp_path)
    assert open_city_map(tmp_path, CITY) is open_city_map(str(tmp_path), CITY)


def test_version_is_found_without_the_index(tmp_path: Path) -> None:
    write_map(tmp_path)
    (tmp_path / maps.INDEX_FILE).unlink()
    assert open_city_map(tmp_path, CITY).graph.roadblocks == {1, 3, 5}


def test_a_missing_city_is_named(tmp_path: Path) -> None:
    path = write_map(tmp_path)
    with pytest.raises(DataError, match="sg-one-north"):
        open_city_map(tmp_path, "sg-one-north")
    (tmp_path / maps.INDEX_FILE).write_text(json.dumps({CITY: {"version": "other"}}))
    with pytest.raises(DataError, match=r"other.map\.gpkg"):
        open_city_map(tmp_path, CITY)
    (tmp_path / maps.INDEX_FILE).write_text("{")
    with pytest.raises(DataError, match="map index"):
        open_city_map(tmp_path, CITY)
    (tmp_path / maps.INDEX_FILE).unlink()
    with pytest.raises(DataError, match="NUPLAN_MAPS_ROOT"):
        open_city_map(tmp_path / "nowhere", CITY)
    path.write_bytes(b"no map")
    with pytest.raises(DataError, match="GeoPackage"):
        open_city_map(tmp_path, CITY)


@pytest.mark.parametrize("layer", ["baseline_paths", "intersections", "lanes_polygons", "meta"])
def test_a_missing_layer_is_named(tmp_path: Path, layer: str) -> None:
    path = write_map(tmp_path, {layer: None} if layer != "meta" else None)
    if layer == "meta":
        pyogrio.write_dataframe(
            gpd.pd.DataFrame({"key": ["x"], "value": ["y"]}), path, layer="meta", append=False
        )
    with pytest.raises(DataError, match=layer) as caught:
        use_everything(open_city_map(tmp_path, CITY))
    assert "map.gpkg" in str(caught.value)


def test_faults_in_a_layer_are_named(tmp_path: Path) -> None:
    lanes, shapes = layers()["lanes_polygons"]
    faults: dict[str, tuple[dict[str, Any], str]] = {
        "empty": ({"lanes_polygons": (lanes, [shapely.Polygon(), *shapes[1:]])}, "fid 11"),
        "column": (
            {"lane_group_connectors": ({"fid": [2]}, [shapely.box(0, 0, 1, 1)])},
            "from_lane_group_fid",
        ),
        "path": (
            {"baseline_paths": ({"fid": [1], "lane_fid": [11]}, [LINES[11]])},
            "lane_connector_fid",
        ),
    }
    for name, (changed, message) in faults.items():
        write_map(tmp_path / name, changed)
        with pytest.raises(DataError, match=message):
            use_everything(open_city_map(tmp_path / name, CITY))
    write_map(tmp_path / "crs", epsg="EPSG:none")
    with pytest.raises(DataError, match="EPSG:none"):
        use_everything(open_city_map(tmp_path / "crs", CITY))


def use_everything(city: CityMap) -> None:
    for kind in range(6):
        city.near(kind, *at(0.0, 0.0), 500.0)
    for lane in LINES:
        city.baseline(lane)
        city.lane_polygon(lane)


LAYERS = {
    maps.ROADBLOCK: "lane_groups_polygons",
    maps.ROADBLOCK_CONNECTOR: "lane_group_connectors",
    maps.LANE: "lanes_polygons",
    maps.INTERSECTION: "intersections",
    maps.CARPARK: "carpark_areas",
}


def test_reference_maps_equal_geopandas(real_reference: Path) -> None:
    city = open_city_map(real_reference / "maps", "sg-one-north")
    for kind, layer in LAYERS.items():
        table = pyogrio.read_dataframe(city.path, layer=layer, fid_as_index=True)
        table = table.to_crs(city.projection)
        rng = np.random.default_rng(0)
        for shape in rng.choice(table.geometry, 5):
            x, y = shape.centroid.x, shape.centroid.y
            hit = table.geometry.intersects(shapely.box(x - 60, y - 60, x + 60, y + 60))
            found = city.near(kind, x, y, 60.0)
            assert found == table.index[hit].tolist()
            for identity in found:
                assert shapely.equals_exact(
                    city.polygon(kind, identity), table.geometry[identity], 0.0
                )


def test_a_mutated_map_is_read_soundly_or_refused(tmp_path: Path) -> None:
    """60 mutations of many bytes: layers that can be opened and looked through, or our error."""
    path, draw = write_map(tmp_path), random.Random(1)
    whole, refused = path.read_bytes(), 0
    x, y = ORIGIN
    for _ in range(60):
        content = whole
        for _ in range(12):
            content = (
                mutate(content, draw, b"\x00\x01\x05\x0d\x0aGP\xff") if len(content) else whole
            )
        path.write_bytes(content or b"x")
        try:
            city = CityMap(path)
            inspect_map(path)
            for kind in (ROADBLOCK, LANE, INTERSECTION):
                for identity in city.near(kind, x, y, 500.0):
                    city.rings(kind, identity)
            for lane in sorted(city.graph.lanes):
                city.baseline(lane)
        except DataError:
            refused += 1
    assert refused > 10


def test_a_connection_belongs_to_its_process(tmp_path: Path) -> None:
    city = CityMap(write_map(tmp_path))
    copy = pickle.loads(pickle.dumps(city))
    x, y = ORIGIN
    assert copy.near(ROADBLOCK, x, y, 500.0) == city.near(ROADBLOCK, x, y, 500.0) != []

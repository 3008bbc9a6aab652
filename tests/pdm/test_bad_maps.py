"""Polygons of a map that are invalid or empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely import Polygon, box

from reworld_agent import pdm
from reworld_agent.core.errors import DataError
from reworld_agent.pdm.cache_io.build import build_from_log
from reworld_agent.pdm.scene_cache import CARPARK
from reworld_agent.pdm.world.frames import ParsedLog
from tests.pdm import small_scene
from tests.scenes.small_map import layers, write_map

BOWTIE = Polygon([(70.0, 2.0), (90.0, 22.0), (90.0, 2.0), (70.0, 22.0)])


def _cache(maps_root: Path, **frames: Any) -> pdm.SceneCache:
    return build_from_log(ParsedLog(small_scene.frames(**frames), Path("small.pkl")), 3, maps_root)


def test_an_invalid_and_an_empty_carpark_are_read_by_the_even_odd_rule(tmp_path: Path) -> None:
    columns, shapes = layers()["carpark_areas"]
    extra = {"fid": [*columns["fid"], 8, 9]}
    write_map(tmp_path / "plain")
    write_map(tmp_path / "bad", {"carpark_areas": (extra, [*shapes, BOWTIE, Polygon()])})
    plain, bad = _cache(tmp_path / "plain"), _cache(tmp_path / "bad")
    assert (bad.polygon_kind == CARPARK).sum() == (plain.polygon_kind == CARPARK).sum() + 1
    poses = np.zeros((1, 8, 3))
    poses[0, :, 0] = 2.5 * np.arange(1, 9)
    for name, values in pdm.score(plain, poses).items():
        np.testing.assert_array_equal(values, pdm.score(bad, poses)[name], err_msg=name)


def test_an_invalid_block_of_the_route_is_named(tmp_path: Path) -> None:
    columns, _ = layers()["lane_group_connectors"]
    shapes = [box(100, -4, 130, 4), Polygon([(95, -9), (130, 20), (130, -9), (95, 20)])]
    write_map(tmp_path, {"lane_group_connectors": (columns, shapes)})
    log = small_scene.frames()
    for frame in log:
        frame["roadblock_ids"] = ["1", "2", "4", "5"]
    with pytest.raises(DataError, match=r"map\.gpkg: a polygon near scene .* is invalid"):
        build_from_log(ParsedLog(log, Path("small.pkl")), 3, tmp_path)


def test_a_map_whose_roads_are_empty_is_refused_by_name(tmp_path: Path) -> None:
    columns, shapes = layers()["lane_groups_polygons"]
    write_map(tmp_path, {"lane_groups_polygons": (columns, [Polygon() for _ in shapes])})
    with pytest.raises(DataError, match="layer 'lane_groups_polygons', fid 1: the geometry is em"):
        _cache(tmp_path)

"""Metric caches of the stock devkit become scene caches; its objects are stood in for here."""

from __future__ import annotations

import lzma
import pickle
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import shapely

from reworld_agent import pdm
from reworld_agent.core.errors import DataError
from reworld_agent.pdm.cache_io.from_devkit import load_metric_cache
from reworld_agent.pdm.cache_io.from_devkit_v1 import convert_metric_cache
from reworld_agent.pdm.scene_cache import POLYGON_KINDS, TRACK_TYPES, SceneCache
from reworld_agent.pdm.simulate.sampling import sample_times_us
from tests.pdm.straight_road import SPEED, TIME_US, scene, sideways, straight

BOXES = {
    "car": ("vehicle", 30.0, 1.0, 0.2, 5.0),
    "cone": ("traffic_cone", 25.0, -1.0, 0.0, 0.0),
}
_LAYERS = {"carpark": "CARPARK_AREA"}


class _Pose(SimpleNamespace):
    def serialize(self) -> list[float]:
        return [self.x, self.y, self.heading]


class _Time(SimpleNamespace):
    def __init__(self, time_us: int) -> None:
        super().__init__(time_us=time_us)


def _box(pose: np.ndarray, size: np.ndarray) -> shapely.Polygon:
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    signs = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    local = signs * size / 2.0
    return shapely.Polygon(local @ np.array([[cos, sin], [-sin, cos]]) + pose[:2])


def _object(cache: SceneCache, k: int) -> SimpleNamespace:
    kind = TRACK_TYPES[cache.track_type[k]]
    length, width = cache.track_size[k]
    center = SimpleNamespace(heading=cache.track_heading[k])
    found = SimpleNamespace(
        tracked_object_type=SimpleNamespace(name=kind.upper()),
        box=SimpleNamespace(length=length, width=width, center=center),
    )
    if kind in TRACK_TYPES[:3]:
        found.velocity = SimpleNamespace(magnitude=lambda: cache.track_speed[k])
    return found


class _Frame:
    def __init__(self, cache: SceneCache, step: int) -> None:
        self.tokens = list(cache.track_token)
        self._boxes = {
            token: _box(cache.track_pose[step, k], cache.track_size[k])
            for k, token in enumerate(self.tokens)
        }

    def __getitem__(self, token: str) -> shapely.Polygon:
        return self._boxes[token]


class _Observation(list[_Frame]):
    unique_objects: dict[str, Any]


class _Trajectory:
    """PDM-Closed of `straight_road`: constant speed straight ahead."""

    start_time, end_time = _Time(TIME_US), _Time(TIME_US + 5_000_000)

    def __init__(self, cache: SceneCache) -> None:
        self._pose = cache.ego_state[:3]

    def get_state_at_times(self, times: list[_Time]) -> list[SimpleNamespace]:
        x, y, heading = self._pose
        ahead = [SPEED * (time.time_us - TIME_US) * 1e-6 for time in times]
        return [
            SimpleNamespace(
                rear_axle=_Pose(
                    x=x + d * np.cos(heading), y=y + d * np.sin(heading), heading=heading
                )
            )
            for d in ahead
        ]


def _metric_cache(cache: SceneCache) -> SimpleNamespace:
    observation = _Observation(_Frame(cache, step) for step in range(51))
    observation.unique_objects = {
        str(token): _object(cache, k) for k, token in enumerate(cache.track_token)
    }
    x, y, heading, vx, vy, ax, ay = cache.ego_state[:7]
    rings = [
        cache.ring_xy[a:b] for a, b in zip(cache.ring_start[:-1], cache.ring_start[1:], strict=True)
    ]
    kinds = [POLYGON_KINDS[kind] for kind in cache.polygon_kind]
    return SimpleNamespace(
        ego_state=SimpleNamespace(
            time_point=_Time(TIME_US),
            rear_axle=_Pose(x=x, y=y, heading=heading),
            tire_steering_angle=0.0,
            dynamic_car_state=SimpleNamespace(
                rear_axle_velocity_2d=SimpleNamespace(array=[vx, vy]),
                rear_axle_acceleration_2d=SimpleNamespace(array=[ax, ay]),
                tire_steering_rate=0.0,
                angular_velocity=0.0,
                angular_acceleration=0.0,
            ),
        ),
        observation=observation,
        trajectory=_Trajectory(cache),
        centerline=SimpleNamespace(
            discrete_path=[_Pose(x=p[0], y=p[1], heading=p[2]) for p in cache.centerline]
        ),
        route_lane_ids=[str(i) for i in cache.polygon_id[cache.polygon_on_route]],
        drivable_area_map=SimpleNamespace(
            tokens=[str(i) for i in cache.polygon_id],
            map_types=[SimpleNamespace(name=_LAYERS.get(kind, kind.upper())) for kind in kinds],
            _geometries=[shapely.Polygon(ring) for ring in rings],
        ),
    )


def test_the_converted_scene_scores_the_same() -> None:
    ours = scene(BOXES)
    converted = convert_metric_cache(_metric_cache(ours), ours.token, ours.log_name)
    np.testing.assert_allclose(converted.pdm_closed_poses, ours.pdm_closed_poses, atol=1e-6)
    np.testing.assert_allclose(converted.track_pose[..., :2], ours.track_pose[..., :2], atol=1e-8)
    assert sample_times_us(converted.time_us)[0] == TIME_US
    poses = np.concatenate([straight(4.0, 8.0, 11.0), sideways(-2.0), sideways(3.0)])
    left, right = pdm.score(ours, poses), pdm.score(converted, poses)
    for name, values in left.items():
        np.testing.assert_allclose(values, right[name], atol=1e-6, err_msg=name)


def test_nothing_in_the_package_reads_pickles_of_the_devkit_unasked() -> None:
    """What runs code of a file is called by who imports it by name, and by nobody else."""
    package = Path(pdm.__file__).parents[1]
    named = re.compile(r"^\s*(from|import) .*from_devkit\b", re.MULTILINE)
    found = {path.name for path in package.rglob("*.py") if named.search(path.read_text())}
    assert not found
    unpicklers = re.compile(r"\bpickle\.(load|loads|Unpickler)\(|read_pickle\(")
    calls = {path.name for path in package.rglob("*.py") if unpicklers.search(path.read_text())}
    # the devkit's caches by intent; those that a benchmark has just made; our own kernels, hashed
    assert calls == {"from_devkit.py", "devkit.py", "kernel_cache.py"}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "log" / "unknown" / "token" / "metric_cache.pkl"
    with pytest.raises(DataError, match=r"metric_cache\.pkl"):
        load_metric_cache(path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no lzma")
    with pytest.raises(DataError, match="not a metric cache"):
        load_metric_cache(path)
    alien = b"cno_such_devkit\nMetricCache\n."  # a pickle that asks for a missing module
    path.write_bytes(lzma.compress(alien))
    with pytest.raises(DataError, match="devkit"):
        load_metric_cache(path)
    path.write_bytes(lzma.compress(pickle.dumps({"a": 1})[:-3]))
    with pytest.raises(DataError, match="not a metric cache"):
        load_metric_cache(path)

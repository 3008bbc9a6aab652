"""The parts of a scene cache, each against a slower or independent way to compute it."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from reworld_agent.pdm.pdm_closed.block_search import search_blocks
from reworld_agent.pdm.pdm_closed.forecast import forecast
from reworld_agent.pdm.pdm_closed.idm import idm_step
from reworld_agent.pdm.pdm_closed.path import pose_at, shifted, unwrapped
from reworld_agent.pdm.pdm_closed.proposals import lay_out
from reworld_agent.pdm.scene_cache import N_AGENT_TYPES, TRACK_TYPES
from reworld_agent.pdm.world.frames import Boxes
from reworld_agent.pdm.world.observation import replay
from reworld_agent.pdm.world.polygon_distance import box_to_polygon

VEHICLE, BARRIER = TRACK_TYPES.index("vehicle"), TRACK_TYPES.index("barrier")


def boxes_of(**objects: tuple[float, float, float]) -> Boxes:
    """Vehicles by name at x, y, heading, driving at 4 m/s along their heading."""
    pose = np.array(list(objects.values()), float).reshape(-1, 3)
    velocity = 4.0 * np.column_stack([np.cos(pose[:, 2]), np.sin(pose[:, 2])])
    n = len(objects)
    return Boxes(list(objects), np.zeros(n, np.int8), np.full((n, 2), 2.0), pose, velocity)


def test_replay_interpolates_between_sightings() -> None:
    log = [boxes_of() for _ in range(11)]
    log[2] = boxes_of(a=(0.0, 0.0, 3.1))
    log[4] = boxes_of(a=(10.0, 2.0, -3.1), once=(5.0, 5.0, 1.0))
    tracks = replay(log)
    assert tracks.token.tolist() == ["a", "once"]
    here = np.isfinite(tracks.pose[:, :, 0])
    assert np.flatnonzero(here[:, 0]).tolist() == list(range(10, 21))
    assert here[:, 1].all() and (tracks.pose[:, 1] == [5.0, 5.0, 1.0]).all()
    np.testing.assert_allclose(tracks.pose[15, 0, :2], [5.0, 1.0])
    assert abs(tracks.pose[15, 0, 2]) == pytest.approx(np.pi, abs=1e-9)
    assert tracks.heading[0] == pytest.approx(3.1) and tracks.speed[0] == pytest.approx(4.0)


def test_replay_of_nothing() -> None:
    assert replay([boxes_of()] * 11).pose.shape == (51, 0, 3)


def walks_search(
    start: int, goals: set[int], graph: dict[int, list[int]], depth: int
) -> list[int] | None:
    """The search as the devkit runs it: a queue of walks without any record of visits."""
    queue: deque[tuple[int, int]] = deque([(start, 1)])
    parent: dict[tuple[int, int], int] = {}
    while queue:
        block, level = queue.popleft()
        if level > depth:
            return None
        if block in goals:
            walk = [block]
            while level > 1:
                walk.append(parent[walk[-1], level])
                level -= 1
            return walk[::-1]
        for following in graph[block]:
            queue.append((following, level + 1))
            parent[following, level + 1] = block
    return None


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_block_search_equals_a_search_of_all_walks(data: st.DataObject) -> None:
    nodes = st.integers(0, 7)
    graph = {k: data.draw(st.lists(nodes, max_size=3, unique=True)) for k in range(8)}
    goals = data.draw(st.sets(nodes, max_size=3))
    wanted = walks_search(0, goals, graph, 5)
    assert search_blocks(0, goals, graph.__getitem__, 5) == wanted


def test_block_search_does_not_walk_in_circles() -> None:
    graph = {0: [1, 2], 1: [0], 2: [0]}
    assert search_blocks(0, [9], graph.__getitem__, 30) is None


def test_path_equals_shapely() -> None:
    angle = np.linspace(0.0, 4.0, 60)
    points = 30 * np.column_stack([np.cos(angle), np.sin(angle)])
    points = np.insert(points, 20, points[20], axis=0)  # two lanes meet
    heading = np.arctan2(np.cos(angle), -np.sin(angle))
    states = np.column_stack([points, np.insert(heading, 20, heading[20])])
    path, pose = unwrapped(states), np.empty(3)
    _, (along,), _, (begin,) = lay_out(path[None], 10.0, 12.0)
    line = shapely.LineString(points)
    assert along[-1] == pytest.approx(line.length)
    assert begin == pytest.approx(line.project(shapely.Point(10.0, 12.0)))
    for distance in np.linspace(-1.0, along[-1] + 1.0, 97):
        pose_at(path, along, float(distance), pose)
        clipped = line.interpolate(min(max(distance, 1e-5), line.length))
        np.testing.assert_allclose(pose[:2], [clipped.x, clipped.y], atol=1e-9)
    inner = shifted(states, 1.0)
    np.testing.assert_allclose(np.hypot(*inner[:, :2].T), 29.0)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats(-6, 6), min_size=6, max_size=6), st.floats(0, 3.2), st.integers(3, 9))
def test_distance_of_box_and_polygon_equals_shapely(
    place: list[float], turn: float, corners: int
) -> None:
    box = shapely.affinity.rotate(shapely.box(-2.5, -1, 2.5, 1), turn, use_radians=True)
    x, y, size, *_ = place
    angle = np.arange(corners) * 2 * np.pi / corners
    radius = 0.5 + abs(size) * (1 + np.arange(corners) % 2)
    polygon = shapely.Polygon(
        np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle)])
    )
    xy = shapely.get_coordinates(polygon)
    starts = np.array([0, len(xy)], np.int64)
    ego = shapely.get_coordinates(shapely.normalize(box))[::-1].copy()
    found = box_to_polygon(ego, xy, starts, 0, 1)
    assert found == pytest.approx(box.distance(polygon), abs=1e-9)


def test_idm_keeps_the_wanted_speed_and_gap() -> None:
    progress, speed = 0.0, 4.0
    for _ in range(1200):
        progress, speed = idm_step(progress, speed, 1e9, 0.0, 0.0, 9.0)
    assert speed == pytest.approx(9.0, abs=0.05)
    gap, speed = 60.0, 8.0
    for _ in range(2000):
        moved, speed = idm_step(0.0, speed, gap, 5.0, 0.0, 15.0)
        gap += 0.5 - moved
    # Treiber et al. (2000), equilibrium gap (s0 + v T) / √(1 − (v / v0)^10).
    assert speed == pytest.approx(5.0, abs=1e-3)
    assert gap == pytest.approx((1 + 5 * 1.5) / np.sqrt(1 - (5 / 15) ** 10), abs=1e-2)


def test_forecast_keeps_the_nearest() -> None:
    rng = np.random.default_rng(1)
    n = 400
    pose = np.column_stack([rng.uniform(-120, 120, (n, 2)), rng.uniform(-3, 3, n)])
    kind = rng.integers(0, len(TRACK_TYPES), n).astype(np.int8)
    velocity = np.where(kind[:, None] < N_AGENT_TYPES, rng.normal(0, 5, (n, 2)), 0.0)
    objects = Boxes([str(i) for i in range(n)], kind, np.full((n, 2), 1.0), pose, velocity)
    kept = forecast(np.zeros(3), objects).boxes
    center = np.array([1.461, 0.0])
    reach = np.hypot(*(pose[:, :2] - center).T)
    for group, most in (kind >= N_AGENT_TYPES, 50), (kind == 1, 25), (kind == 2, 10):
        chosen = np.argsort(np.where(group, reach, np.inf))[:most]
        wanted = {str(i) for i in chosen if reach[i] <= 100.0}
        assert wanted <= set(kept.token)
    assert len(kept.token) <= 50 + 50 + 25 + 10


def test_forecast_moves_backwards_along_the_box() -> None:
    car = boxes_of(a=(30.0, 0.0, 0.5))
    back = car._replace(velocity=-car.velocity)
    for objects, sign in (car, 1.0), (back, -1.0):
        ahead = forecast(np.zeros(3), objects)
        np.testing.assert_allclose(ahead.shift, sign * car.velocity)
        corners = ahead.corners_at(3)
        np.testing.assert_allclose((corners[2] - corners[0])[0], [0.4 * ahead.shift[0]] * 5)
    standing = car._replace(kind=np.array([BARRIER], np.int8))
    assert not forecast(np.zeros(3), standing).shift.any()

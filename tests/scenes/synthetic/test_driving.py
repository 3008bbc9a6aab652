"""Traffic and the expert: they follow the model, stop at red, and score well."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from reworld_agent import pdm
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.synthetic import SplitRoots
from reworld_agent.scenes.synthetic.actors.traffic import STEP, Actor, Driver, Traffic
from reworld_agent.scenes.synthetic.rollout import make_drive
from reworld_agent.scenes.synthetic.town import geometry
from reworld_agent.scenes.synthetic.town.network import Network, build_network
from reworld_agent.scenes.synthetic.town.routes import Path, build_path
from reworld_agent.scenes.synthetic.town.signals import PHASE, RED, Signals


@pytest.fixture(scope="module")
def net() -> Network:
    return build_network("us-nv-las-vegas-strip")


def straight(length: int = 400, speed: float = 12.0) -> Path:
    xy = np.stack([np.arange(float(length)), np.zeros(length)], -1)
    zeros = np.zeros(length)
    return Path(xy, zeros, zeros, np.full(length, speed), (), (), ())


def test_followers_keep_the_distance_of_the_model(net: Network) -> None:
    """In equilibrium the gap is (s0 + v T) / sqrt(1 - (v/v0)^10)."""
    driver = Driver(headway=1.5, gap=2.0)
    lead = Actor("vehicle", (5.0, 2.0, 1.5), straight(), 60.0, 8.0, Driver(caps=((-9, 99, 8.0),)))
    follower = Actor("vehicle", (5.0, 2.0, 1.5), straight(), 35.0, 8.0, driver)
    record = Traffic(net, Signals(net), [follower, lead], []).run(30.0)
    v = record.v[-1, 0]
    assert v == pytest.approx(record.v[-1, 1], abs=0.05)
    gap = record.s[-1, 1] - record.s[-1, 0] - 5.0
    assert gap == pytest.approx((2.0 + 1.5 * v) / np.sqrt(1 - (v / 12.0) ** 10), rel=0.04)


def test_an_empty_road_is_driven_at_its_limit(net: Network) -> None:
    car = Actor("vehicle", (5.0, 2.0, 1.5), straight(), 5.0, 0.0, Driver(acceleration=1.5))
    record = Traffic(net, Signals(net), [car], []).run(25.0)
    assert record.v[-1, 0] == pytest.approx(12.0, abs=0.2)
    assert record.a.max() <= 1.5


def test_cars_stop_at_red_and_go_at_green(net: Network) -> None:
    index = next(k for k, junction in enumerate(net.junctions) if junction.signalled)
    block = net.junctions[index].approaches[0]
    lane = net.blocks[block].lanes[0]
    way = net.outgoing[lane.fid][0]
    path = build_path(net, [lane, way, way.target])
    signals = Signals(net, {})
    signals.turn_green(index, block, 14.0)
    assert signals.state(index, block, 13.9) == RED
    car = Actor("vehicle", (5.0, 2.0, 1.5), path, path.gates[0].stop - 60.0, 5.0)
    record = Traffic(net, signals, [car], []).run(22.0)
    front = record.s[:, 0] + car.front
    waiting = round(13.5 / STEP)
    assert record.v[waiting, 0] < 0.3
    assert -3.0 < front[waiting] - path.gates[0].stop < 0.0
    assert front[-1] > path.gates[0].enter


def test_one_approach_at_a_time_has_no_red(net: Network) -> None:
    signals = Signals.random(net, np.random.default_rng(0))
    for junction, _ in signals.offsets.items():
        approaches = net.junctions[junction].approaches
        for time in np.arange(0.0, PHASE * len(approaches), 0.5):
            free = [b for b in approaches if signals.state(junction, b, float(time)) != RED]
            assert len(free) <= 1


@pytest.mark.parametrize("split", ["town_val", "town_test"])
def test_nobody_touches_ego(split: str) -> None:
    """By shapely, at 8 Hz."""
    drive = make_drive(split, 2)
    for boxes in drive.boxes[::2]:
        polygons = shapely.polygons(geometry.box_corners(boxes))
        assert not shapely.intersects(polygons[0], polygons[1:]).any()


def test_ego_waits_in_the_queue_and_starts_again() -> None:
    speed = make_drive("town_test", 2).record.v[:, 0]
    stood = np.flatnonzero(speed < 0.3)
    assert len(stood) and speed[stood[0] :].max() > 3.0


def test_right_of_way_lets_only_one_of_two_crossing_ways(net: Network) -> None:
    drive = make_drive("town_test", 0)
    traffic = Traffic(drive.net, drive.signals, drive.scenario.actors, drive.scenario.walkers)
    ways = list(net.connectors.values())
    pairs = [
        (a, b)
        for a in ways[:40]
        for b in ways[:40]
        if a.junction == b.junction and a.source.block != b.source.block
    ]
    crossing = [traffic.right_of_way.conflict(a.fid, b.fid) for a, b in pairs]
    by_area = [a.polygon.intersection(b.polygon).area > 0.5 for a, b in pairs]
    assert crossing == by_area and any(crossing) and not all(crossing)


def test_expert_scores_well_and_constant_velocity_does_not(town: SplitRoots) -> None:
    loader_tokens = _tokens(town)[::5]
    human, constant = [], []
    for token in loader_tokens:
        cache = pdm.build_scene_cache(town.data_root, town.maps_root, town.data_split, token)
        speed = float(np.hypot(*cache.ego_state[3:5])) if cache.ego_state.ndim else 0.0
        line = np.zeros((8, 3))
        line[:, 0] = 0.5 * np.arange(1, 9) * speed
        score = pdm.score(cache, np.stack([cache.human_poses, line]))["score"]
        human.append(score[0])
        constant.append(score[1])
    assert np.mean(human) > 0.93
    assert np.mean(constant) < np.mean(human) - 0.2


def _tokens(town: SplitRoots) -> list[str]:
    loader = SceneLoader(
        town.data_root / "navsim_logs" / town.data_split,
        town.data_root / "sensor_blobs" / town.data_split,
        SceneFilter(num_history_frames=4, num_future_frames=10, frame_interval=1),
    )
    return loader.tokens


def test_a_walker_goes_to_and_fro() -> None:
    drive = make_drive("town_test", 0)
    walker = replace(drive.scenario.walkers[0], loop=True)
    length = float(geometry.arc_length(walker.line)[-1])
    there = walker.pose(length / walker.speed - 1e-6)
    assert np.hypot(*(there[:2] - walker.line[-1])) < 1e-3
    back = walker.pose(1.5 * length / walker.speed)
    assert back[3] == walker.speed
    assert np.hypot(*(walker.pose(2 * length / walker.speed - 1e-6)[:2] - walker.line[0])) < 1e-3

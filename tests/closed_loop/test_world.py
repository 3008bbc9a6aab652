"""The world: recorded bytes where the ego is recorded, the scorer's physics where it is free."""

from __future__ import annotations

import numpy as np
import pytest

from reworld_agent.closed_loop import World, from_split, make
from reworld_agent.core.errors import DataError, SceneError, UsageError
from reworld_agent.pdm.simulate.sampling import knot_times_us, reference_poses, sample_times_us
from reworld_agent.pdm.simulate.tracker import simulate
from reworld_agent.scenes.loader import SceneLoader
from reworld_agent.scenes.synthetic.drive import STRIDE
from reworld_agent.scenes.synthetic.logs import log_frames

SCENARIO = from_split("town6_test", 1)
STRAIGHT = np.column_stack([np.arange(1, 9) * 3.0, np.zeros(8), np.zeros(8)])


def test_the_recorded_driver_meets_what_was_recorded() -> None:
    world = World(SCENARIO, cameras=(), recorded=True)
    logged = log_frames(world.drive)
    for k in range(3, 12):
        now = world.stage.now
        frame = world.stage.frame(world.tick)
        moment = world.drive.moment(k * STRIDE)
        np.testing.assert_array_equal(now.moment.ego, moment.ego)
        np.testing.assert_array_equal(now.moment.boxes, moment.boxes)
        np.testing.assert_array_equal(now.moment.walkers, moment.walkers)
        for key in ("ego2global_translation", "driving_command", "traffic_lights"):
            assert np.array_equal(frame[key], logged[k][key]), key
        np.testing.assert_array_equal(frame["anns"]["gt_boxes"], logged[k]["anns"]["gt_boxes"])
        np.testing.assert_allclose(frame["ego_dynamic_state"], logged[k]["ego_dynamic_state"])
        world.step()


def test_a_plan_is_driven_as_the_scorer_drives_it() -> None:
    world = World(SCENARIO, cameras=())
    start, time_us = world.state, world.stage.time_us(0)
    world.step(STRAIGHT, 4.0)
    knots, samples = knot_times_us(time_us, 8), sample_times_us(time_us)
    wanted = simulate(start, reference_poses(start, STRAIGHT[None], knots, samples))[0]
    np.testing.assert_array_equal(world.states, wanted)


def test_the_same_actions_give_the_same_bytes_and_a_reset_begins_anew() -> None:
    def driven(world: World) -> bytes:
        world.step(STRAIGHT, 0.5)
        world.step((1.0, 0.05), 0.3)
        world.step(STRAIGHT, 0.7, latency=0.2)
        now = world.stage.now.moment
        return world.states.tobytes() + now.boxes.tobytes() + now.walkers.tobytes()

    world = World(SCENARIO, cameras=())
    first = driven(world)
    world.reset()
    assert world.tick == 0 and driven(world) == first
    assert driven(World(SCENARIO, cameras=())) == first


def test_others_brake_for_an_ego_that_stands() -> None:
    scenario = make(0, "queue", 3, "test-skew")
    stopped = World(scenario, cameras=())
    while not stopped.done:
        stopped.step((-6.0, 0.0) if stopped.state[3] > 0.05 else np.zeros((8, 3)), 0.5)
    recorded = World(scenario, cameras=(), recorded=True)
    while not recorded.done:
        recorded.step()
    apart = np.hypot(*(stopped.stage.now.moment.boxes - recorded.stage.now.moment.boxes)[:, :2].T)
    assert (apart[1:] > 5.0).any() and stopped.time == 20.0


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (np.full((8, 3), np.nan), "NaN"),
        (np.zeros((7, 3)), "interval"),
        (np.zeros((8, 2)), "shape"),
        (STRAIGHT * 20.0, "teleports"),
        ((np.inf, 0.0), "finite"),
        ("left", "plan"),
    ],
)
def test_what_is_no_action_is_refused_and_moves_nothing(action: object, said: str) -> None:
    world = World(SCENARIO, cameras=())
    before = world.state.copy()
    with pytest.raises(DataError, match=said):
        world.step(action)
    assert world.tick == 0 and np.array_equal(world.state, before)


def test_times_that_are_none_and_a_scenario_that_has_ended_are_refused() -> None:
    world = World(make(0, "red_light", 1, seconds=0.5), cameras=())
    for duration, latency in ((0.0, 0.0), (0.25, 0.0), (4.1, 0.0), (0.5, 0.5), (0.5, -0.1)):
        with pytest.raises(UsageError, match="no step"):
            world.step(STRAIGHT, duration, latency)
    _, events = world.step(STRAIGHT)
    assert world.done and world.reason == "over" and events[-1].kind == "over"
    with pytest.raises(UsageError, match="has ended"):
        world.step(STRAIGHT)


def test_an_ego_that_leaves_the_map_ends_the_scenario() -> None:
    world = World(SCENARIO, cameras=())
    kinds = []
    while not world.done:
        kinds += [event.kind for event in world.step((8.0, 0.02), 0.5)[1]]
    assert world.reason == "off_map" and "off_road" in kinds and world.time < 20.0


def test_a_scenario_that_cannot_be_made_says_which_seed() -> None:
    with pytest.raises(SceneError, match="seed 0 in train-suburb"):
        make(0, "cut_in", 2, "train-suburb").drive()  # one lane everywhere
    with pytest.raises(UsageError, match="no kind"):
        make(0, "cutin")
    with pytest.raises(UsageError, match="split of the town"):
        from_split("town_test", 0)


@pytest.mark.slow
def test_pictures_of_the_recorded_driver_are_those_on_disk(tmp_path: object) -> None:
    from reworld_agent.scenes.filter import SceneFilter
    from reworld_agent.scenes.sensors import SensorConfig
    from reworld_agent.scenes.synthetic import ensure_split

    made = ensure_split("town6_test", str(tmp_path), drives=1, progress=False)
    world = World(from_split("town6_test", 0), recorded=True)
    sensors = SensorConfig(True, *[False] * 8)
    split = made.data_root / "navsim_logs" / made.data_split
    blobs = made.data_root / "sensor_blobs" / made.data_split
    names = (world.drive.name,)
    loader = SceneLoader(split, blobs, SceneFilter(log_names=names, frame_interval=1), sensors)
    for token in loader.tokens[:6]:
        wanted, seen = loader.get_agent_input_from_token(token), world.observe()
        for theirs, ours in zip(wanted.cameras, seen.cameras, strict=True):
            np.testing.assert_array_equal(theirs.cam_f0.image, ours.cam_f0.image)
        for logged, driven in zip(wanted.ego_statuses, seen.ego_statuses, strict=True):
            np.testing.assert_allclose(logged.ego_pose, driven.ego_pose, atol=1e-6)
            np.testing.assert_allclose(logged.ego_velocity, driven.ego_velocity, atol=1e-6)
            np.testing.assert_array_equal(logged.driving_command, driven.driving_command)
        world.step()

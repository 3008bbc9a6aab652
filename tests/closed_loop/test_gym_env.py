"""`reworld/TownDrive-v0`: gymnasium's own checker, seeds, vectors of environments, rewards."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="the extra `loop` is not installed")

import gymnasium
from gymnasium.utils.env_checker import check_env

from reworld_agent.closed_loop.gym_env import TownDrive
from reworld_agent.closed_loop.gym_env.observing import EGO, WIDTH
from reworld_agent.closed_loop.judging.verdict import judge
from reworld_agent.core.errors import UsageError

NAME = "reworld/TownDrive-v0"
ONE: dict[str, Any] = {"split": "town6_test", "drives": 1}
ROOT = Path(__file__).resolve().parents[2]


def make(**more: Any) -> Any:
    return gymnasium.make(f"reworld_agent.closed_loop.gym_env:{NAME}", **ONE, **more)


def straight(speed: float) -> Any:
    poses = np.zeros((8, 3), np.float32)
    poses[:, 0] = speed * 0.5 * np.arange(1, 9)
    return poses


def test_gymnasiums_checker_finds_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make().unwrapped, skip_render_check=True)


def test_the_same_seed_and_actions_give_the_same_bytes() -> None:
    def episode() -> list[Any]:
        env = make(actions="controls")
        seen, info = env.reset(seed=5)
        found = [seen.tobytes(), info["scenario"]]
        for k in range(6):
            seen, reward, *ends, info = env.step(np.array([1.0 - k, 0.01 * k]))
            found += [seen.tobytes(), reward, *ends, tuple(info["events"]), info["time"]]
        return found

    assert episode() == episode()


def test_the_state_says_where_ego_is_and_where_it_goes() -> None:
    env = make()
    seen, _ = env.reset(seed=0)
    world = env.unwrapped.world
    assert seen.shape == (WIDTH,) and seen[0] == pytest.approx(world.state[3], abs=1e-5)
    assert seen[4:8].sum() == 1.0
    route = seen[EGO : EGO + 20].reshape(10, 2)
    np.testing.assert_allclose(np.hypot(*np.diff(route, axis=0).T), 5.0, atol=0.3)
    others = seen[EGO + 20 :].reshape(16, 9)
    present = others[others[:, 0] == 1.0]
    away = np.hypot(present[:, 1], present[:, 2])
    assert len(present) and (np.diff(away) >= 0).all()
    boxes = world.stage.frame(0)["anns"]["gt_boxes"]
    np.testing.assert_allclose(away[0], np.hypot(boxes[:, 0], boxes[:, 1]).min(), rtol=1e-5)


def test_driving_on_pays_and_a_collision_does_not() -> None:
    env = make()
    seen, _ = env.reset(seed=0)
    rewards = []
    for _ in range(20):
        seen, reward, terminated, truncated, info = env.step(straight(float(seen[0])))
        rewards.append(reward)
        assert 0.0 <= reward <= 1.0
        if terminated:
            break
    assert terminated and not truncated and info["events"] == ["collision"]
    assert rewards[0] > 0.9 and rewards[-1] == 0.0
    env.reset(seed=0)
    standing = [env.step(straight(0.0))[1] for _ in range(4)]
    assert standing[-1] < rewards[1]


def test_the_drive_is_paid_at_its_end_as_it_is_judged() -> None:
    env = make(reward="drive", actions="controls", seconds=2.0, step_s=0.5)
    env.reset(seed=0)
    rewards = [env.step(np.zeros(2))[1] for _ in range(4)]
    assert rewards[:3] == [0.0, 0.0, 0.0]
    assert rewards[3] == judge(env.unwrapped.world).values["score"] > 0.0


def test_an_episode_is_truncated_when_its_time_is_over() -> None:
    env = make(seconds=1.2, actions="controls", step_s=0.5)
    env.reset(seed=0)
    ends = [env.step(np.zeros(2))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    with pytest.raises(UsageError, match="the scenario has ended"):
        env.step(np.zeros(2))


def test_a_wild_trajectory_is_drawn_together() -> None:
    env = TownDrive(split="town6_test", drives=1)
    env.reset(seed=0)
    wild = np.full((8, 3), 150.0, np.float32) * np.array([[1], [-1]] * 4)
    _, reward, *_ = env.step(wild)
    assert 0.0 <= reward <= 1.0
    with pytest.raises(UsageError, match="not finite"):
        env.step(np.full((8, 3), np.nan))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"observations": "stat"}, "did you mean state"),
        ({"actions": "pedals"}, "one of trajectory, controls"),
        ({"kinds": ["cut_inn"]}, "did you mean cut_in"),
        ({"cameras": ["CAM_X"]}, "did you mean CAM_"),
        ({"split": "town_test"}, "no split of the town that can be driven in"),
        ({"difficulty": 4}, "must be 1, 2 or 3"),
        ({"drives": 0}, "drives=0 must be 1 or more"),
        ({"step_s": 0.25}, "step_s=0.25 must be a multiple of 0.1 s"),
        ({"step_s": 4.5}, "at most 4"),
        ({"seconds": 0.0}, "seconds=0.0 must be 0.1 or more"),
    ],
)
def test_wrong_arguments_are_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TownDrive(**more)


def test_environments_side_by_side_are_those_alone() -> None:
    side = gymnasium.make_vec(NAME, 2, vectorization_mode="sync", actions="controls", **ONE)
    seen, _ = side.reset(seed=3)  # and 4
    alone = make(actions="controls")
    first, _ = alone.reset(seed=4)
    assert np.array_equal(seen[1], first)
    pedals = np.array([[0.5, 0.0], [-1.0, 0.02]], np.float32)
    stepped, rewards, *_ = side.step(pedals)
    own, reward, *_ = alone.step(pedals[1])
    assert np.array_equal(stepped[1], own) and rewards[1] == reward


@pytest.mark.slow
def test_environments_in_processes_of_their_own() -> None:
    more: dict[str, Any] = {"actions": "controls", **ONE}
    sync = gymnasium.make_vec(NAME, 2, vectorization_mode="sync", **more)
    apart = gymnasium.make_vec(NAME, 2, vectorization_mode="async", **more)
    pedals = np.array([[0.5, 0.0], [-1.0, 0.02]], np.float32)
    assert np.array_equal(sync.reset(seed=1)[0], apart.reset(seed=1)[0])
    for _ in range(3):
        one, other = sync.step(pedals), apart.step(pedals)
        assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])
    apart.close()


@pytest.mark.slow
def test_pictures_pass_gymnasiums_checker_and_are_the_worlds() -> None:
    env = make(observations="camera", cameras=("CAM_F0", "CAM_B0"), render_mode="rgb_array")
    check_env(env.unwrapped)
    seen, _ = env.reset(seed=0)
    assert np.array_equal(seen["CAM_B0"], env.unwrapped.world.picture("CAM_B0"))
    assert np.array_equal(seen["CAM_F0"], env.render())


@pytest.mark.slow
def test_seeded_kinds_are_drawn() -> None:
    env = TownDrive(split="town6_test", kinds=("queue", "cut_in"))
    names = {env.reset(seed=seed)[1]["scenario"].split("-")[0] for seed in range(4)}
    assert names == {"queue", "cut_in"}


def test_the_import_registers_and_is_light() -> None:
    code = (
        "import sys, gymnasium, reworld_agent.closed_loop.gym_env; "
        "spec = gymnasium.spec('reworld/TownDrive-v0'); "
        "print(spec.id, [name for name in ('torch', 'numba', 'cv2') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "reworld/TownDrive-v0 []\n"

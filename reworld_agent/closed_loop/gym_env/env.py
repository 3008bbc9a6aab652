"""`reworld/TownDrive-v0`: a scenario of the town, half a second a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from reworld_agent.closed_loop.contacts import COLLISION, OFF_MAP, OFF_ROAD, OVER
from reworld_agent.closed_loop.ego import LONGEST
from reworld_agent.closed_loop.gym_env.observing import (
    picture_space,
    pictures_of,
    state_of,
    state_space,
)
from reworld_agent.closed_loop.gym_env.rewards import step_reward
from reworld_agent.closed_loop.judging.verdict import judge
from reworld_agent.closed_loop.scenarios import KINDS, MEDIUM, Scenario, from_split, make
from reworld_agent.closed_loop.stage import TICK
from reworld_agent.closed_loop.world import World
from reworld_agent.core.errors import SceneError, UsageError
from reworld_agent.core.settings import did_you_mean
from reworld_agent.pdm.metrics import SCORE
from reworld_agent.scenes.synthetic.drive import SPLITS
from reworld_agent.scenes.synthetic.render.cameras import CAMERAS

Observation = NDArray[np.float32] | dict[str, NDArray[Any]]
POSES, POSE_S = 8, 0.5  # of a trajectory
_LONGEST_STEP = 25.0  # m between two poses of a trajectory, 50 m/s; beyond, it is drawn in
_REACH = np.array([200.0, 100.0, np.pi])  # x, y (m), heading (rad) of a trajectory
_PEDALS = np.array([[-8.0, -np.pi / 3], [8.0, np.pi / 3]])  # m/s², rad
_TRIES = 20  # seeds, where not every seed gives a scenario
ENDS = (COLLISION, OFF_ROAD, OFF_MAP)


class TownDrive(gymnasium.Env[Any, NDArray[Any]]):
    """Drive in the town.

    An episode is a scenario of 20 s; it is truncated when the time is over, and terminated by what
    `ends_at` names. The same seed and actions give the same observations, to the last bit.

    Args:
        observations: `state`, a vector (`gym_env.observing.state_of`), or `camera`, a dictionary of
            pictures and ego's own state.
        actions: `trajectory`, poses [8, 3] (x m, y m, heading rad; ego frame, 2 Hz) that the
            scorer's tracker follows; or `controls`, acceleration (m/s²) and steering angle (rad).
        reward: `step`, the PDM score's formula over each step (`gym_env.rewards`); or `drive`,
            the score of the whole drive at its end, as `reworld drive` gives it, and 0 before.
        cameras: of `camera`.
        split: whose towns and drives.
        kinds: of seeded scenarios (`closed_loop.KINDS`), drawn anew each episode; () takes the
            split's own drives.
        difficulty: of seeded scenarios: 1, 2 or 3.
        drives: of the split's own drives only the first so many; None = all.
        step_s: s of a step, a multiple of 0.1, at most 4.
        seconds: of a scenario.
        ends_at: `collision`, `off_road`, `off_map`: what terminates an episode; a scenario that has
            left the map ends in any case.
        render_mode: `rgb_array`, the front camera's picture.

    Raises:
        UsageError: an argument is none of these.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 2}  # noqa: RUF012 - gymnasium has it so

    def __init__(
        self,
        observations: Literal["state", "camera"] = "state",
        actions: Literal["trajectory", "controls"] = "trajectory",
        reward: Literal["step", "drive"] = "step",
        cameras: Sequence[str] = ("CAM_F0",),
        split: str = "town6_train",
        kinds: Sequence[str] = (),
        difficulty: int = MEDIUM,
        drives: int | None = None,
        step_s: float = 0.5,
        seconds: float = 20.0,
        ends_at: Sequence[str] = ENDS,
        render_mode: str | None = None,
    ) -> None:
        _among("observations", [observations], ("state", "camera"))
        _among("actions", [actions], ("trajectory", "controls"))
        _among("reward", [reward], ("step", "drive"))
        _among("cameras", cameras, CAMERAS)
        _among("kinds", kinds, KINDS)
        _among("ends_at", ends_at, ENDS)
        _among("render_mode", [render_mode or "rgb_array"], self.metadata["render_modes"])
        from_split(split, 0)  # there is such a split
        make(0, KINDS[0], difficulty)  # and such a difficulty
        _require_numbers(drives, step_s, seconds)
        self.render_mode, self._step_s = render_mode, step_s
        self._cameras = tuple(cameras) if observations == "camera" else ()
        self._pays_steps = reward == "step"
        self._sees_state, self._plans = observations == "state", actions == "trajectory"
        self._split, self._kinds, self._difficulty = split, tuple(kinds), difficulty
        self._drives = min(drives or SPLITS[split].logs, SPLITS[split].logs)
        self._seconds, self._ends_at = seconds, frozenset(ends_at)
        self._world: World | None = None
        self.observation_space = state_space() if self._sees_state else picture_space(self._cameras)
        self.action_space = (
            spaces.Box(
                np.tile(-_REACH, (POSES, 1)).astype(np.float32),
                np.tile(_REACH, (POSES, 1)).astype(np.float32),
                dtype=np.float32,
            )
            if self._plans
            else spaces.Box(*_PEDALS.astype(np.float32), dtype=np.float32)
        )

    @property
    def world(self) -> World:
        """The world of the present episode.

        Raises:
            UsageError: none has begun.
        """
        if self._world is None:
            raise UsageError("no episode has begun", "call reset() first")
        return self._world

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: of this and the scenarios after it.
            options: `scenario`, a `Scenario` to drive instead of one that is drawn.
        """
        super().reset(seed=seed)
        given = (options or {}).get("scenario")
        self._world = self._drawn() if given is None else World(given, ())
        return self._observed(), {"scenario": self.world.scenario.name}

    def step(self, action: NDArray[Any]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Drive on for `step_s`; `info` names the events of the step."""
        world = self.world
        start, along = world.tick, float(world.stage.now.s)
        left = world.last_tick - start
        duration = min(self._step_s, left * 0.1)
        _, events = world.step(self._read(np.asarray(action, np.float64)), round(duration, 1))
        kinds = [event.kind for event in events]
        terminated = bool(self._ends_at & set(kinds)) or world.reason == OFF_MAP
        truncated = world.reason == OVER
        if self._pays_steps:
            reward = step_reward(world, events, start, along)
        else:
            reward = judge(world).values[SCORE] if terminated or truncated else 0.0
        info = {
            "scenario": world.scenario.name,
            "events": kinds,
            "time": world.time,
            "along_m": float(world.stage.now.s),
        }
        return self._observed(), reward, terminated, truncated, info

    def render(self) -> Any:
        """The front camera's picture [256, 448, 3], RGB; None without a render_mode."""
        return self.world.picture("CAM_F0") if self.render_mode else None

    def _observed(self) -> Observation:
        return state_of(self.world) if self._sees_state else pictures_of(self.world, self._cameras)

    def _read(self, action: NDArray[np.float64]) -> Any:
        """The world's action; poses further apart than a car could go are drawn together."""
        if not np.isfinite(action).all():
            raise UsageError("the action is not finite", "give numbers of the action space")
        if not self._plans:
            acceleration, steering = np.clip(action.reshape(2), *_PEDALS)
            return float(acceleration), float(steering)
        poses = np.clip(action.reshape(POSES, 3), -_REACH, _REACH)
        place = np.zeros(2)
        for pose in poses:
            way = pose[:2] - place
            length = float(np.hypot(*way))
            pose[:2] = place + way * min(1.0, _LONGEST_STEP / max(length, 1e-9))
            place = pose[:2]
        return poses

    def _drawn(self) -> World:
        """A world of a scenario that the environment's generator draws."""
        for _ in range(_TRIES):
            try:
                return World(self._scenario(), ())
            except SceneError:  # nothing drivable comes of this seed; the next one is drawn
                continue
        raise SceneError(
            f"none of {_TRIES} seeds gave a scenario of {', '.join(self._kinds)}",
            "choose other kinds, or another split",
        )

    def _scenario(self) -> Scenario:
        draw = self.np_random
        if not self._kinds:
            return from_split(self._split, int(draw.integers(self._drives)), self._seconds)
        kind = self._kinds[int(draw.integers(len(self._kinds)))]
        towns = SPLITS[self._split].towns
        town = towns[int(draw.integers(len(towns)))]
        return make(int(draw.integers(2**31)), kind, self._difficulty, town, self._seconds)


def _require_numbers(drives: int | None, step_s: float, seconds: float) -> None:
    if drives is not None and drives < 1:
        raise UsageError(f"drives={drives} must be 1 or more", "drives=None takes all of a split")
    if not TICK <= step_s <= LONGEST or abs(step_s / TICK - round(step_s / TICK)) > 1e-6:
        message = f"step_s={step_s} must be a multiple of {TICK:g} s, at most {LONGEST:g}"
        raise UsageError(message, "step_s=0.5 is NAVSIM's")
    if not seconds >= TICK:
        raise UsageError(f"seconds={seconds} must be {TICK:g} or more", "seconds=20 is usual")


def _among(name: str, given: Sequence[str], known: Sequence[str]) -> None:
    for value in given:
        if value not in known:
            usual = f"it is one of {', '.join(known)}"
            raise UsageError(f"{name}={value}", did_you_mean(str(value), known, usual))

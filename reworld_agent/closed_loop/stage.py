"""The town of one scenario, tick after tick, around an ego that somebody else moves.

A tick is 0.1 s, the physics' own. The traffic decides every 0.125 s, as in the recorded drives, and
is shown in between where it then is; both are whole numbers of 0.025 s.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.sight import FRAME_TICKS, Tick
from reworld_agent.pdm.simulate.bicycle import AX, HEADING, N_STATE, VX, VY, YAW_RATE, X, Y
from reworld_agent.pdm.world.frames import ego_state
from reworld_agent.scenes.synthetic.actors.traffic import STEP
from reworld_agent.scenes.synthetic.drive import Drive, Moment
from reworld_agent.scenes.synthetic.live import LiveTown
from reworld_agent.scenes.synthetic.logs import (
    EPOCH,
    AnnotatedThings,
    Motion,
    command_at,
    frame_dict,
)
from reworld_agent.scenes.synthetic.town.geometry import wrap

Array = NDArray[np.float64]
TICK = 0.1  # s
BEFORE = 15  # ticks of the history, which the ego drives as recorded
_UNIT = 0.025  # s
_PER_TICK, _PER_STEP = round(TICK / _UNIT), round(STEP / _UNIT)


class Stage:
    """A drive from its first frame on.

    Attributes:
        tick: 0 where the scenario starts; −15 is the drive's first frame.
        ticks: the world at each tick so far.
        town: the live town, at the last time at which the traffic has decided.
    """

    def __init__(self, drive: Drive) -> None:
        self.drive = drive
        self.things = AnnotatedThings(drive)
        self.origin = np.array(drive.net.plan.origin)
        self.town = LiveTown(drive, start=0.0)
        self.ticks: dict[int, Tick] = {}
        self.tick = -BEFORE - 1
        self._steps = 0  # of the traffic
        self.go_as_recorded()
        while self.tick < 0:
            self.go_as_recorded()
        # from here on the ego is as the scorer would take it from a log: its wheels straight
        start = self.ticks[0]
        self.ticks[0] = start._replace(state=ego_state(self.frame(0)))

    @property
    def now(self) -> Tick:
        """The world now."""
        return self.ticks[self.tick]

    def go(self, state: Array) -> None:
        """One tick on; the ego comes to `state` [11], global."""
        before, after = self.now.state, state
        turn = wrap(after[HEADING] - before[HEADING])
        for part in self._traffic_steps():
            pose = self._pose(before) + part * (self._pose(after) - self._pose(before))
            pose[2] = after[HEADING] if part == 1.0 else before[HEADING] + part * turn
            self.town.step(pose, float(before[VX] + part * (after[VX] - before[VX])))
        self.tick += 1
        moment = self.town.glimpse(self._rest(), self._pose(after))
        speed, yaw_rate = float(after[VX]), float(after[YAW_RATE])
        motion = Motion(speed, float(after[AX]), speed * yaw_rate, yaw_rate)
        self._record(moment, motion, after)

    def go_as_recorded(self) -> None:
        """One tick on; the ego keeps to its path, as it was recorded."""
        for _ in self._traffic_steps():
            self.town.step_as_recorded()
        self.tick += 1
        moment = self.town.glimpse(self._rest())
        path, traffic = self.drive.scenario.actors[0].path, self.town.traffic
        speed, pushed = float(moment.speed[0]), float(traffic.a[0])
        s = float(traffic.ahead(self._rest())[0][0])
        yaw_rate = speed * float(path.at(s)[2])
        motion = Motion(
            speed, 0.0 if speed < 1e-3 and pushed < 0.0 else pushed, speed * yaw_rate, yaw_rate
        )
        state = np.zeros(N_STATE)
        state[[X, Y]] = moment.ego[:2] + self.origin
        state[HEADING] = wrap(moment.ego[2])
        state[[VX, AX, YAW_RATE]] = speed, motion.acceleration, yaw_rate
        self._record(moment, motion, state)

    def frame(self, tick: int) -> dict[str, Any]:
        """A tick that has been, as a frame of NAVSIM's logs."""
        found, k = self.ticks[tick], (tick + BEFORE) // FRAME_TICKS
        return {
            **frame_dict(self.drive, k, found.moment, found.motion, found.command, self.things),
            "token": self.token(tick),
            "timestamp": self.time_us(tick),
            "ego_dynamic_state": [found.state[VX], found.state[VY], *found.motion[1:3]],
            "traffic_lights": self.drive.signals.frame(found.moment.time),
            "sample_prev": self.token(tick - FRAME_TICKS),
            "sample_next": self.token(tick + FRAME_TICKS),
        }

    def token(self, tick: int) -> str:
        """Names a tick of this scenario: the same for every agent that drives it."""
        return self.drive.token("loop", tick)

    @staticmethod
    def time_us(tick: int) -> int:
        """The log time of a tick [µs]."""
        return EPOCH + (tick + BEFORE) * 100_000

    def _pose(self, state: Array) -> Array:
        return np.array([state[X] - self.origin[0], state[Y] - self.origin[1], state[HEADING]])

    def _units(self, tick: int) -> int:
        return (tick + BEFORE) * _PER_TICK

    def _traffic_steps(self) -> list[float]:
        """Where between this tick and the next the traffic decides, as parts of a tick."""
        last, start = self._units(self.tick + 1) // _PER_STEP, self._units(self.tick)
        parts = [(k * _PER_STEP - start) / _PER_TICK for k in range(self._steps + 1, last + 1)]
        self._steps = max(last, self._steps)
        return parts

    def _rest(self) -> float:
        """Seconds since the traffic has last decided."""
        return (self._units(self.tick) - self._steps * _PER_STEP) * _UNIT

    def _record(self, moment: Moment, motion: Motion, state: Array) -> None:
        path = self.drive.scenario.actors[0].path
        s = float(self.town.traffic.ahead(self._rest())[0][0])
        self.ticks[self.tick] = Tick(moment, state, motion, s, command_at(path, s, moment.ego))

"""A drive with an ego of somebody else's: the traffic reacts to it, the cameras show what it sees.

    world = LiveTown(make_drive("town6_test", 3), start=1.5)
    while world.time < 20.0:
        image = world.image("CAM_F0")
        pose, speed = ...  # where ego has come to, STEP seconds later
        world.step(pose, speed)

The recorded drives are what comes of it where ego keeps to its own path: both move the same
`Traffic`. `world.drive.moment(step)` shows the time before `start`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.scenes.synthetic.actors.traffic import STEP, WARM_UP, Traffic
from reworld_agent.scenes.synthetic.drive import Drive, Moment, shows_brakes
from reworld_agent.scenes.synthetic.logs import AnnotatedThings, annotate, command_at
from reworld_agent.scenes.synthetic.rollout import boxes_at
from reworld_agent.scenes.synthetic.town.geometry import Array


class LiveTown:
    """The town of one drive from `start` on.

    Args:
        drive: whose town, traffic and ego's route these are.
        start: s; until then ego drives as recorded.

    Attributes:
        moment: where everybody is now.
    """

    def __init__(self, drive: Drive, start: float = 1.5) -> None:
        scenario = drive.scenario
        self.drive = drive
        self.traffic = Traffic(drive.net, drive.signals, scenario.actors, scenario.walkers)
        self._things = AnnotatedThings(drive)
        self._renderer: Any = None
        self._step = round(WARM_UP / STEP)
        for _ in range(round((start - WARM_UP) / STEP)):
            self.traffic.decide(self.time)
            self.traffic.move()
            self._step += 1
        self.moment = self._look()

    @property
    def time(self) -> float:
        """Seconds since the drive's first frame."""
        return self._step * STEP

    def step(self, pose: Array, speed: float) -> Moment:
        """Go on by STEP seconds.

        Args:
            pose: [3] x, y (m), heading (rad) of ego's rear axle at the new time, in the town's
                frame (map coordinates less `drive.net.plan.origin`).
            speed: of ego then (m/s).
        """
        self.traffic.move()
        self._step += 1
        self.traffic.place_ego(np.asarray(pose, float), speed)
        self.moment = self._look()
        return self.moment

    def step_as_recorded(self) -> Moment:
        """Go on by STEP seconds; ego keeps to its own path, as it was recorded."""
        self.traffic.move()
        self._step += 1
        self.moment = self._look()
        return self.moment

    def glimpse(self, ahead: float, pose: Array | None = None) -> Moment:
        """Everybody's place `ahead` seconds (less than STEP) from now; nothing moves.

        Args:
            ahead: s.
            pose: [3] of ego's rear axle then; None where it keeps to its path.
        """
        traffic, time = self.traffic, self.time + ahead
        s, speed = traffic.ahead(ahead)
        people = traffic.people(time)
        return self._moment(time, s, speed, pose, people)

    def _look(self) -> Moment:
        """Everybody's place now; decides on how all go on."""
        traffic = self.traffic
        people = traffic.decide(self.time)
        return self._moment(self.time, traffic.s, traffic.v.copy(), traffic.free_ego, people)

    def _moment(
        self, time: float, s: Array, speed: Array, pose: Array | None, people: Array
    ) -> Moment:
        boxes = boxes_at(self.drive.scenario, s)
        own = self.drive.scenario.actors[0]
        if pose is None:
            xy, heading, _ = own.path.at(float(s[0]))
            pose = np.array([*xy, float(heading)])
        ahead = own.center_ahead * np.array([np.cos(pose[2]), np.sin(pose[2])])
        boxes[0, :2], boxes[0, 4] = pose[:2] + ahead, pose[2]
        return Moment(time, pose, boxes, speed, shows_brakes(speed, self.traffic.a), people)

    def image(self, camera: str, moment: Moment | None = None) -> NDArray[np.uint8]:
        """What a camera of ego sees [height, width, 3] (BGR), now or at another moment."""
        if self._renderer is None:
            # OpenCV paints the ground; a loop without cameras needs it not
            from reworld_agent.scenes.synthetic.render.renderer import TownRenderer  # noqa: PLC0415

            self._renderer = TownRenderer(self.drive)
        picture: NDArray[np.uint8] = self._renderer.picture(camera, moment or self.moment)
        return picture

    def annotations(self) -> dict[str, Any]:
        """NAVSIM's `anns` of now: boxes in ego's frame, names, velocities, tokens."""
        return annotate(self.drive, self.moment, self._things)

    def lights(self) -> list[tuple[int, bool]]:
        """NAVSIM's `traffic_lights` of now: lane connector ids, and whether each is red."""
        return self.drive.signals.frame(self.time)

    def command(self) -> Array:
        """NAVSIM's driving command [4] for ego where it is now."""
        path = self.drive.scenario.actors[0].path
        return command_at(path, float(self.traffic.s[0]), self.moment.ego)

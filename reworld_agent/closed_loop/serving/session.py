"""One session of a driver: what the simulator has sent, as the `AgentInput` of its next plan."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.serving.cameras import choose_cameras
from reworld_agent.closed_loop.serving.lens import Lens, Repainting, lens_fault
from reworld_agent.closed_loop.serving.motion import (
    EgoState,
    Motion,
    command_of,
    read_route,
    read_states,
)
from reworld_agent.closed_loop.serving.plans import FASTEST
from reworld_agent.core.images import load_image
from reworld_agent.scenes.camera_names import CAMERA_NAMES
from reworld_agent.scenes.types import AgentInput, Camera, Cameras, EgoStatus, Lidar

HISTORY = 4  # frames of NAVSIM's history, the present one among them
INTERVAL_US = 500_000  # between them
_NEAR_US = 200_000  # from a frame's time: one further off is another frame
_AHEAD_US = 100_000  # by which a frame may end after the time of a plan
_TOLD = 3  # observations that cannot be used, of a plan
_SMALLEST = 9  # px, of either side of a picture
_CLOSEST_US = 60_000  # between frames that are kept
_KEPT_US = HISTORY * INTERVAL_US + _NEAR_US


class SessionFault(Exception):
    """Why a session cannot be planned; the reason that its stop-plan is sent with."""


@dataclass(frozen=True)
class Wishes:
    """What an agent wants, and what it is given.

    Attributes:
        cameras: NAVSIM's names of each frame of the history, oldest first.
        named: logical ids by NAVSIM's name, of the settings.
        repaint: pictures of other lenses are painted as NAVSIM's cameras would take them.
        oldest_us: age at which the newest picture, or ego's pose, is too old to plan from.
    """

    cameras: tuple[tuple[str, ...], ...]
    named: Mapping[str, str]
    repaint: bool = True
    oldest_us: int = 300_000

    @property
    def wanted(self) -> tuple[str, ...]:
        """The cameras of any frame."""
        return tuple(name for name in CAMERA_NAMES if any(name in one for one in self.cameras))


@dataclass(frozen=True)
class _Picture:
    """A picture [H, W, 3] (RGB), its time, and [3, 3] px of its pinhole."""

    time_us: int
    image: NDArray[np.uint8]
    intrinsics: NDArray[np.float64]
    size: tuple[int, int]  # as it was sent


class DriveSession:
    """What one session has been sent.

    Observations that cannot be used do not raise: the next plan does, once.

    Args:
        lenses: the declared cameras by logical id.
        wishes: of the agent.
        fault: why none of its plans can be made; "" where nothing is wrong.
    """

    def __init__(self, lenses: Mapping[str, Lens], wishes: Wishes, fault: str = "") -> None:
        self.lock = threading.Lock()
        self._wishes, self._lenses = wishes, lenses
        self._cameras, missing = choose_cameras(wishes.wanted, lenses, wishes.named)
        wrong = (lens_fault(lens) for lens in self._cameras.values())
        self.fault = fault or missing or next(filter(None, wrong), "")
        self._pictures: dict[str, list[_Picture]] = {name: [] for name in self._cameras}
        self._paint: dict[tuple[str, int, int], Repainting] = {}
        self._odd: dict[str, tuple[int, int]] = {}  # sizes of pictures that were refused for it
        self._motion = Motion()
        self._route = np.empty((0, 2))
        self._unusable: list[str] = []

    # --- what comes in --------------------------------------------------------------------------

    def add_image(self, message: Any) -> None:
        """A message `CameraImage`; of a camera that the agent does not want, nothing is kept."""
        if message.logical_id not in self._lenses:
            known = ", ".join(sorted(self._lenses)) or "none"
            self.refuse(f"a picture of '{message.logical_id}', which was not declared ({known})")
            return
        for name, lens in self._cameras.items():
            if lens.name == message.logical_id:
                try:
                    self._keep(name, self._picture(name, lens, message))
                except SessionFault as error:
                    self.refuse(str(error))

    def add_motion(self, message: Any) -> None:
        """A message `RolloutEgoTrajectory`."""
        try:
            states = read_states(message)
        except ValueError as error:
            self.refuse(f"egomotion that cannot be used: {error}")
            return
        with self.lock:
            self._motion.add(states)

    def add_route(self, message: Any) -> None:
        """A message `Route`: points in the rig, rows of NaN among them."""
        try:
            route = read_route(message)
        except ValueError as error:
            self.refuse(f"a route that cannot be used: {error}")
            return
        with self.lock:
            self._route = route

    def refuse(self, reason: str) -> None:
        """Note an observation that cannot be used."""
        with self.lock:
            if len(self._unusable) < _TOLD:
                self._unusable.append(reason)

    def _picture(self, name: str, lens: Lens, message: Any) -> _Picture:
        """A picture of a message, painted again where its lens is not like NAVSIM's."""
        time_us, data = int(message.frame_end_us), bytes(message.image_bytes)
        where = f"the picture of {lens.name} at {time_us * 1e-6:.3f} s"
        try:
            image = load_image(Path(lens.name), where, "", "", data)
        except Exception as error:  # whatever damaged bytes lead to
            raise SessionFault(f"{where} cannot be read") from error
        height, width = image.shape[:2]
        if min(height, width) < _SMALLEST:
            raise SessionFault(f"{where} is {width} x {height}, too small to be one")
        if not lens.fits(width, height):
            declared = f"{lens.width} x {lens.height}"
            raise SessionFault(f"{where} is {width} x {height}, of another shape than {declared}")
        self._require_size(name, (width, height), where)
        if lens.like_navsim() or not self._wishes.repaint:
            return _Picture(time_us, image, lens.intrinsics(width), (width, height))
        paint = self._paint.get((name, width, height)) or Repainting(lens, width, height)
        self._paint[name, width, height] = paint
        return _Picture(time_us, paint(image), paint.intrinsics, (width, height))

    def _require_size(self, name: str, size: tuple[int, int], where: str) -> None:
        """Refuse a picture of another size than those before it; the second such is a new camera.

        Raises:
            SessionFault: it is the first.
        """
        with self.lock:
            before, odd = self._pictures[name], self._odd.pop(name, None)
            if not before or before[-1].size == size:
                return
            if odd == size:
                before.clear()
                return
            self._odd[name] = size
        old = " x ".join(map(str, before[-1].size))
        raise SessionFault(f"{where} is {size[0]} x {size[1]}, those before it {old}")

    def _keep(self, name: str, picture: _Picture) -> None:
        """Keep a picture in the order of time, and of a fast camera not all."""
        with self.lock:
            kept = [one for one in self._pictures[name] if one.time_us != picture.time_us]
            kept = sorted([*kept, picture], key=lambda one: one.time_us)
            if len(kept) > 2 and kept[-1].time_us - kept[-3].time_us < _CLOSEST_US:
                del kept[-2]
            # of the last but one: a single wrong time forgets nothing
            oldest = kept[max(len(kept) - 2, 0)].time_us - _KEPT_US
            self._pictures[name] = [one for one in kept if one.time_us >= oldest]

    # --- what goes out --------------------------------------------------------------------------

    def ego(self, now_us: int) -> EgoState | None:
        """The last state up to a time; None before the first."""
        with self.lock:
            return self._motion.at(now_us)

    def speed(self, state: EgoState) -> float:
        """Ego's speed ahead (m/s)."""
        with self.lock:
            return float(self._motion.velocity(state)[0])

    def agent_input(self, now_us: int) -> AgentInput:
        """What the agent sees at a time.

        Before there is a history, the oldest frame stands for those before it.

        Raises:
            SessionFault: something that it wants is missing, late, damaged or of another shape.
        """
        with self.lock:
            self._forget_later(now_us + _KEPT_US)
            unusable, self._unusable = self._unusable, []
            if self.fault or unusable:
                raise SessionFault(self.fault or "; ".join(unusable[:_TOLD]))
            state = self._motion.at(now_us)
            if state is None:
                raise SessionFault("no egomotion has been sent")
            self._require_recent("ego's pose", state.time_us, now_us)
            speed = float(np.hypot(*self._motion.velocity(state)))
            if speed > FASTEST:
                raise SessionFault(f"ego moves at {speed:.0f} m/s")
            times = [now_us - k * INTERVAL_US for k in reversed(range(HISTORY))]
            return AgentInput(
                self._statuses(state, times), self._frames(now_us), [Lidar()] * HISTORY
            )

    def _forget_later(self, time_us: int) -> None:
        """Forget what no present plan can have been sent, so that a wrong time costs one plan."""
        if self._motion.forget_after(time_us):
            self._unusable.append("egomotion of a later time was sent")
        for name, pictures in self._pictures.items():
            kept = [one for one in pictures if one.time_us <= time_us]
            if len(kept) < len(pictures):
                late = f"a picture of {self._cameras[name].name} of a later time was sent"
                self._unusable.append(late)
                self._pictures[name] = kept

    def _statuses(self, now: EgoState, times_us: list[int]) -> list[EgoStatus]:
        command, motion = command_of(self._route), self._motion
        poses = motion.relative(now, times_us)
        statuses = []
        for pose, time_us in zip(poses, times_us, strict=True):
            state = motion.at(time_us) or now
            velocity = motion.velocity(state).astype(np.float32)
            acceleration = motion.acceleration(state).astype(np.float32)
            statuses.append(EgoStatus(pose, velocity, acceleration, command))
        return statuses

    def _frames(self, now_us: int) -> list[Cameras]:
        newest = {name: self._newest(name, now_us) for name in self._wishes.wanted}
        present = min(newest.values(), default=now_us)
        frames = []
        for index, names in enumerate(self._wishes.cameras):
            wanted_us = present - (HISTORY - 1 - index) * INTERVAL_US
            cameras = {name: Camera() for name in CAMERA_NAMES}
            for name in names:
                cameras[name] = self._camera(name, wanted_us)
            frames.append(Cameras(**cameras))
        return frames

    def _newest(self, name: str, now_us: int) -> int:
        """The time of a camera's last picture."""
        known = [one.time_us for one in self._pictures[name] if one.time_us <= now_us + _AHEAD_US]
        if not known:
            raise SessionFault(f"no picture of {self._cameras[name].name} has been sent")
        self._require_recent(f"the last picture of {self._cameras[name].name}", known[-1], now_us)
        return known[-1]

    def _require_recent(self, what: str, time_us: int, now_us: int) -> None:
        age_us = now_us - time_us
        if abs(age_us) > self._wishes.oldest_us:
            late = f"{age_us * 1e-6:.2f} s old" if age_us > 0 else "of a later time"
            raise SessionFault(f"{what} is {late}")

    def _camera(self, name: str, wanted_us: int) -> Camera:
        pictures, lens = self._pictures[name], self._cameras[name]
        nearest = min(pictures, key=lambda one: abs(one.time_us - wanted_us))
        is_first = nearest is pictures[0] and nearest.time_us > wanted_us
        if abs(nearest.time_us - wanted_us) > _NEAR_US and not is_first:
            raise SessionFault(f"no picture of {lens.name} was sent near {wanted_us * 1e-6:.2f} s")
        # copies: they are kept for the next plans, and an agent may write into its own
        return Camera(
            nearest.image.copy(),
            lens.rotation.copy(),
            lens.translation.copy(),
            nearest.intrinsics.copy(),
            lens.distortion(),
        )

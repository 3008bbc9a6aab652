"""Drives against a service on this machine, timed: what AlpaSim's runtime would wait for."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from carla_driver_interface.testing import FakeCamera, FakeLoop
from numpy.typing import NDArray

from reworld_agent.closed_loop.serving.address import Address
from reworld_agent.closed_loop.serving.driver import REASON
from reworld_agent.scenes.camera_names import CAMERA_NAMES
from reworld_agent.scenes.synthetic.render.cameras import MOUNTS, NUPLAN_FOCAL, NUPLAN_WIDTH

STEP_S = 0.1  # from one drive to the next
SPEED = 8.0  # m/s at the start
_SHAPE = 448, 252  # px
DRIVES_A_SESSION = 100


@dataclass
class Trial:
    """What came of a number of drives.

    Attributes:
        address: where they were answered.
        seconds: [N] of each drive, as the caller waits.
        cpu_seconds: [N] that all threads of this process computed meanwhile.
        errors: calls that failed, by what gRPC says.
        stops: plans that stop, by reason.
    """

    address: str
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)

    def milliseconds(self, cpu: bool = False) -> NDArray[np.float64]:
        """Median, mean, 99th percentile and most [4]."""
        times = np.array(self.cpu_seconds if cpu else self.seconds) * 1e3
        if not len(times):
            return np.full(4, np.nan)
        return np.array([np.median(times), times.mean(), np.percentile(times, 99), times.max()])


def trial_drives(address: Address, drives: int, cameras: tuple[str, ...]) -> Trial:
    """Drive on the straight road of the contract's package, session after session.

    Args:
        address: of a driver on this machine, in this process or another.
        drives: how many plans are asked for.
        cameras: NAVSIM's names; each is declared as nuPlan's lens, at its place.
    """
    trial = Trial(str(address))
    # the loop wants one at least
    declared = [_camera(name) for name in CAMERA_NAMES if name in (cameras or ("cam_f0",))]
    while drives > 0 and not trial.errors:
        steps = min(drives, DRIVES_A_SESSION)
        loop = FakeLoop(
            address.dialled(), declared, step_s=STEP_S, initial_speed_mps=SPEED, timeout_s=60.0
        )
        with loop:
            loop._stub.drive = _Timed(loop._stub.drive, trial)
            try:
                loop.run(steps, seed=drives)
            except grpc.RpcError as error:
                trial.errors[f"{error.code().name}: {error.details()}"] += 1
        drives -= steps
    return trial


def _camera(name: str) -> FakeCamera:
    x, y, z, yaw = MOUNTS[name.upper()]
    fov = 2 * np.degrees(np.arctan(NUPLAN_WIDTH / 2 / NUPLAN_FOCAL))
    width, height = _SHAPE
    return FakeCamera(name.upper(), width, height, float(fov), x, y, z, 0.0, yaw)


class _Timed:
    """The call `drive`, with a clock."""

    def __init__(self, call: Any, trial: Trial) -> None:
        self._call, self._trial = call, trial

    def __call__(self, request: Any, **more: Any) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        reply, call = self._call.with_call(request, **more)
        self._trial.seconds.append(time.perf_counter() - wall)
        self._trial.cpu_seconds.append(time.process_time() - cpu)
        for key, reason in call.trailing_metadata() or ():
            if key == REASON:
                self._trial.stops[reason] += 1
        return reply

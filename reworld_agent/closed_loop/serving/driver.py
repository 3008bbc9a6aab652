"""AlpaSim's egodriver service, answered by an agent of NAVSIM.

Whatever a simulator sends and whatever the agent does, a drive is answered: with the agent's plan,
or with one that stops and the reason why.
"""

from __future__ import annotations

import logging
import pickle
import threading
import time
from collections import OrderedDict
from typing import Any

import grpc
import numpy as np
from carla_driver_interface.contract import (
    CONTRACT_REVISION,
    cameras_to_revision,
    client_revision,
    contract_metadata,
)
from carla_driver_interface.protocol import (
    ALPASIM_API_VERSION,
    ALPASIM_REV,
    DriveResponse,
    EgodriverServiceServicer,
    Empty,
    SessionRequestStatus,
    Trajectory,
    VersionId,
)

from reworld_agent import __version__
from reworld_agent.closed_loop.serving.lens import Lens, read_lens
from reworld_agent.closed_loop.serving.motion import EgoState
from reworld_agent.closed_loop.serving.planning import Planning
from reworld_agent.closed_loop.serving.plans import Plan, implausible, sampled, stop_plan
from reworld_agent.closed_loop.serving.poses import placed, write_pose
from reworld_agent.closed_loop.serving.server import detail
from reworld_agent.closed_loop.serving.session import (
    HISTORY,
    DriveSession,
    SessionFault,
    Wishes,
)
from reworld_agent.core.errors import DataError, ReWorldError
from reworld_agent.core.text import said
from reworld_agent.evaluation.inference import plan_of
from reworld_agent.pdm.poses import pose_fault

logger = logging.getLogger(__name__)

REASON = "reworld-stop-reason"  # of the metadata that end a call
_MOST_SESSIONS = 64  # that are open; runtimes that died never close theirs
_LATEST_US = 1 << 62  # a plan's times still fit into the message's 64 bits


class DriverService(EgodriverServiceServicer):
    """Serves one agent to any number of sessions; plans are made one at a time.

    Args:
        agent: initialised; one of `compute_trajectory(agent_input)`.
        name: of the agent.
        wishes: what it wants of a session.
        rate_hz: poses a second of a plan that is sent.
        plan_timeout_s: how long a plan may take; then the drive is answered by one that stops.
    """

    def __init__(
        self,
        agent: Any,
        name: str,
        wishes: Wishes,
        rate_hz: float = 10.0,
        plan_timeout_s: float = 30.0,
    ) -> None:
        self._planning, self._name = Planning(agent, plan_timeout_s), name
        self._wishes, self._rate_hz = wishes, rate_hz
        self._sessions: OrderedDict[str, DriveSession] = OrderedDict()
        self._sessions_lock = threading.Lock()

    # --- sessions -------------------------------------------------------------------------------

    def get_version(self, request: Any, context: Any) -> Any:
        """The agent's name, our version, and the contract's."""
        context.send_initial_metadata(contract_metadata())
        version = VersionId(version_id=f"{self._name}-reworld-{__version__}", git_hash=ALPASIM_REV)
        version.grpc_api_version.CopyFrom(ALPASIM_API_VERSION)
        return version

    def start_session(self, request: Any, context: Any) -> Any:
        """Open a session; one whose cameras are not enough is opened, and only stops."""
        lenses: dict[str, Lens] = {}
        fault = ""
        try:
            revision = client_revision(context, CONTRACT_REVISION)
            declared = request.rollout_spec.vehicle.available_cameras
            for camera in cameras_to_revision(declared, revision, CONTRACT_REVISION):
                if camera.logical_id in lenses:
                    raise ValueError(f"the camera '{camera.logical_id}' is declared twice")
                lenses[camera.logical_id] = read_lens(camera)
        except ValueError as error:
            fault = f"the session cannot be read: {error}"
        session = DriveSession(lenses, self._wishes, fault)
        uuid = request.session_uuid
        with self._sessions_lock:
            known = uuid in self._sessions
            if not known:
                self._sessions[uuid] = session
            while len(self._sessions) > _MOST_SESSIONS:
                forgotten, _ = self._sessions.popitem(last=False)
                logger.warning("session %s is forgotten: used longest ago", detail(forgotten))
        if known:  # it goes on as it is
            reason = detail(f"session {uuid} exists already")
            context.abort(grpc.StatusCode.ALREADY_EXISTS, reason)
        if session.fault:
            logger.warning("session %s will only stop: %s", detail(uuid), detail(session.fault))
        return SessionRequestStatus()

    def close_session(self, request: Any, context: Any) -> Any:
        """Forget a session; one that is not there is forgotten already."""
        with self._sessions_lock:
            self._sessions.pop(request.session_uuid, None)
        return Empty()

    def _session(self, uuid: str) -> DriveSession | None:
        with self._sessions_lock:
            if uuid in self._sessions:
                self._sessions.move_to_end(uuid)
            return self._sessions.get(uuid)

    # --- observations ---------------------------------------------------------------------------

    def submit_image_observation(self, request: Any, context: Any) -> Any:
        """One picture."""
        session = self._required(request, context)
        session.add_image(request.camera_image)
        return Empty()

    def submit_egomotion_observation(self, request: Any, context: Any) -> Any:
        """Where ego was, and how it moved."""
        self._required(request, context).add_motion(request)
        return Empty()

    def submit_route(self, request: Any, context: Any) -> Any:
        """Where ego shall go."""
        self._required(request, context).add_route(request.route)
        return Empty()

    def submit_recording_ground_truth(self, request: Any, context: Any) -> Any:
        """Not looked at: no planner may see it."""
        self._required(request, context)
        return Empty()

    def _required(self, request: Any, context: Any) -> DriveSession:
        session = self._session(request.session_uuid)
        if session is None:
            reason = f"there is no session '{request.session_uuid}'"
            context.abort(grpc.StatusCode.NOT_FOUND, detail(reason))
            raise AssertionError("abort raises")  # pragma: no cover
        return session

    # --- plans ----------------------------------------------------------------------------------

    def drive(self, request: Any, context: Any) -> Any:
        """The agent's plan, or one that stops and the reason.

        Without a session or a pose of ego there is no place to start from, and beyond the end of
        time none to go to: the plan is empty, which AlpaSim takes for "hold".
        """
        started = time.perf_counter()
        now_us = int(request.time_now_us)
        session = self._session(request.session_uuid)
        ego: EgoState | None = None
        plan: Plan | None = None
        reason = f"there is no session '{request.session_uuid}'"
        if now_us > _LATEST_US:
            session, reason = None, f"{now_us} us is no time of a drive"
        if session is not None:
            ego = session.ego(now_us)
            try:
                plan, reason = self._plan(session, now_us), ""
            except SessionFault as error:
                reason = str(error)
            except Exception as error:  # whatever the code of others raises
                reason = f"the agent raised {said(error)}"
                logger.debug("session %s", request.session_uuid, exc_info=True)
            if plan is None and ego is not None:
                plan = stop_plan(session.speed(ego), ego.yaw_rate)
        if reason:
            reason = detail(reason)
            logger.warning("session %s stops: %s", detail(request.session_uuid), reason)
            context.set_trailing_metadata(((REASON, reason),))
        response = DriveResponse(trajectory=_answer(plan, ego, now_us))
        response.debug_info.unstructured_debug_info = pickle.dumps(
            {
                "policy_name": self._name,
                "inference_seconds": time.perf_counter() - started,
                "scalars": {"stopped": float(bool(reason))},
                "reason": reason,
            }
        )
        return response

    def _plan(self, session: DriveSession, now_us: int) -> Plan:
        """The agent's plan.

        Raises:
            SessionFault: the session lacks something, or the plan is none.
        """
        trajectory = self._planning.plan(session.agent_input(now_us))
        try:
            flat, interval_s = plan_of(trajectory)
        except DataError as error:
            raise SessionFault(error.message) from error
        fault = pose_fault(flat, interval_s)
        if not fault:
            plan = sampled(flat.reshape(-1, 3), interval_s, self._rate_hz)
            fault = implausible(plan)
        if fault:
            raise SessionFault(f"the agent's plan cannot be driven: {fault}")
        return plan


def _answer(plan: Plan | None, ego: EgoState | None, now_us: int) -> Any:
    """The message of a plan: ego's own pose now, then the plan's, in the simulator's frame."""
    message = Trajectory()
    if plan is None or ego is None:
        return message
    times = [now_us, *(now_us + t for t in plan.times_us)]
    poses = np.concatenate([ego.pose[None], placed(ego.pose, plan.poses)])
    for time_us, pose in zip(times, poses, strict=True):
        message.poses.add(timestamp_us=time_us, pose=write_pose(pose))
    return message


def wishes_of(agent: Any, name: str, **more: Any) -> Wishes:
    """What an agent wants of a session.

    Args:
        agent: initialised.
        name: of the agent.
        more: further fields of `Wishes`.

    Raises:
        ReWorldError: it wants what no simulator sends: point clouds, or the whole scene.
    """
    if agent.requires_scene:
        hint = "serve an agent that plans from its history: agent=reworld"
        raise ReWorldError(f"the agent '{name}' reads the whole scene, the future too", hint)
    sensors = agent.get_sensor_config()
    frames = [tuple(sensors.get_sensors_at_iteration(k)) for k in range(HISTORY)]
    if any("lidar_pc" in frame for frame in frames):
        message = f"the agent '{name}' wants point clouds, which the egodriver contract lacks"
        raise ReWorldError(message, "serve an agent of cameras: agent=reworld")
    return Wishes(tuple(frames), **more)

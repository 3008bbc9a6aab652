"""`serve_driver`: an agent is built and listens."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from carla_driver_interface.protocol import add_EgodriverServiceServicer_to_server

from reworld_agent.closed_loop.serving.address import Address, require_free
from reworld_agent.closed_loop.serving.driver import DriverService, wishes_of
from reworld_agent.closed_loop.serving.server import listening
from reworld_agent.closed_loop.serving.session import HISTORY, Wishes
from reworld_agent.closed_loop.serving.settings import ServeDriverRun
from reworld_agent.evaluation.agents import build_agents
from reworld_agent.scenes.camera_names import CAMERA_NAMES
from reworld_agent.scenes.types import AgentInput, Camera, Cameras, EgoStatus, Lidar

logger = logging.getLogger(__name__)

_BLANK = (1080, 1920, 3)  # the picture of a first plan


@contextmanager
def serve_driver(settings: ServeDriverRun) -> Iterator[Address]:
    """Answer AlpaSim's egodriver calls for the duration of the block.

    Yields:
        Where it listens.

    Raises:
        UsageError: the address is taken.
        ReWorldError: the agent cannot be built, or wants what no simulator sends.
    """
    require_free(settings.place())  # before weights are loaded
    agent, wishes = prepared(settings)
    with answering(agent, wishes, settings) as bound:
        yield bound


def prepared(settings: ServeDriverRun) -> tuple[Any, Wishes]:
    """The agent, which has planned once, and what it wants of a session; raises ReWorldError."""
    name = settings.agent.name
    agent = build_agents([settings.agent])[name]
    wishes = wishes_of(
        agent,
        name,
        named=dict(settings.cameras or {}),
        repaint=settings.repaint,
        oldest_us=round(settings.oldest_s * 1e6),
    )
    warm_up(agent, wishes)
    return agent, wishes


@contextmanager
def answering(agent: Any, wishes: Wishes, settings: ServeDriverRun) -> Iterator[Address]:
    """The same with an agent that is `prepared`."""
    service = DriverService(
        agent, settings.agent.name, wishes, settings.rate_hz, settings.plan_timeout_s
    )

    def register(server: Any) -> None:
        add_EgodriverServiceServicer_to_server(service, server)

    with listening(register, settings.place(), settings.threads) as bound:
        yield bound


def warm_up(agent: Any, wishes: Wishes) -> None:
    """Let an agent plan once: what it allocates and compiles, it does before the first session."""
    blank = Camera(np.zeros(_BLANK, np.uint8), np.eye(3), np.zeros(3), np.eye(3), np.zeros(5))
    frames = [
        Cameras(**{name: blank if name in names else Camera() for name in CAMERA_NAMES})
        for names in wishes.cameras
    ]
    zero, command = np.zeros(2, np.float32), np.eye(4, dtype=np.int64)[1]
    statuses = [EgoStatus(np.zeros(3, np.float32), zero, zero, command)] * HISTORY
    started = time.perf_counter()
    try:
        agent.compute_trajectory(AgentInput(statuses, frames, [Lidar()] * HISTORY))
    except Exception as error:  # whatever the code of others raises at a blank picture
        logger.warning("the agent does not plan from blank pictures: %s", error)
    logger.info("the first plan took %.2f s", time.perf_counter() - started)

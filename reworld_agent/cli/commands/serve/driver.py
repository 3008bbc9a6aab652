"""`reworld serve driver agent=NAME`: an agent as AlpaSim's driver."""

from __future__ import annotations

from reworld_agent.cli.hydra_command import HydraCommand
from reworld_agent.cli.service import EXIT_CODES, KEPT, serve_until_a_signal
from reworld_agent.closed_loop import serving
from reworld_agent.closed_loop.serving.settings import ServeDriverRun

COMMAND = HydraCommand(
    name="serve driver",
    summary="an agent as AlpaSim's driver: its egodriver service over gRPC",
    settings=ServeDriverRun,
    run="reworld_agent.cli.commands.serve.driver:run",
    config="reworld_serve_driver",
    about="""
Answers AlpaSim's egodriver contract with any agent that plans from cameras and ego's state.
Pictures, egomotion and route become NAVSIM's AgentInput (4 frames at 2 Hz; before there are so many
the oldest is repeated), and the plan goes back in the simulator's frame. Whatever is missing, late,
damaged or not finite, and whatever the agent raises: the answer is a plan that stops, with the
reason in the log, in the reply's debug_info and in the metadata reworld-stop-reason. One line says
where it listens; Ctrl-C or SIGTERM ends it.
""",
    examples=(
        "reworld serve driver agent=reworld",
        "reworld serve driver agent=reworld address=unix:/tmp/driver.sock",
        "reworld serve driver agent=reworld address=0.0.0.0:6789 "
        "'cameras={cam_f0:camera_front_wide_120fov}'",
    ),
    next="reworld doctor alpasim agent=NAME asks the same agent what AlpaSim's challenge asks",
    exit_codes=EXIT_CODES.format("address"),
    kept=KEPT,
)


def run(settings: ServeDriverRun) -> int:
    """Say where it listens, and wait for the end."""
    with serving.serve_driver(settings) as address:
        return serve_until_a_signal(f"{settings.agent.name} listens on {address}")

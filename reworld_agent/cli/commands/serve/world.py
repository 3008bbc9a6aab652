"""`reworld serve world`: the town as AlpaSim's renderer."""

from __future__ import annotations

from reworld_agent.cli.command import Command
from reworld_agent.cli.service import EXIT_CODES, KEPT, serve_until_a_signal
from reworld_agent.closed_loop import serving
from reworld_agent.closed_loop.serving.settings import ServeWorldSettings

COMMAND = Command(
    name="serve world",
    summary="the embedded town as AlpaSim's renderer: its sensorsim service over gRPC",
    settings=ServeWorldSettings,
    run="reworld_agent.cli.commands.serve.world:run",
    about="""
Scenes are drives of a split, town6_test/0000; cameras are NAVSIM's eight. A picture shows what a
camera sees from the pose that is sent, with everybody who is sent where the simulator says, and all
others as recorded. It needs no GPU. Lidar, ego masks and other lenses are refused with the reason.
One line says where it listens; Ctrl-C or SIGTERM ends it.
""",
    examples=(
        "reworld serve world",
        "reworld serve world data_split=town6_val address=unix:/tmp/w",
    ),
    next="renderer endpoints of AlpaSim's runtime name the address",
    exit_codes=EXIT_CODES.format("address"),
    kept=KEPT,
)


def run(settings: ServeWorldSettings) -> int:
    """Say where it listens, and wait for the end."""
    with serving.serve_world(settings) as address:
        return serve_until_a_signal(f"the town listens on {address}")

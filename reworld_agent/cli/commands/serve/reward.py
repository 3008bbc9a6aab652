"""`reworld serve reward`: the scorer behind HTTP."""

from __future__ import annotations

from reworld_agent import evaluation
from reworld_agent.cli.command import Command
from reworld_agent.cli.service import EXIT_CODES, serve_until_a_signal
from reworld_agent.evaluation.reward_settings import ServeRewardRun

COMMAND = Command(
    name="serve reward",
    summary="the score of plans over HTTP, for trainers elsewhere",
    settings=ServeRewardRun,
    run="reworld_agent.cli.commands.serve.reward:run",
    about="""
POST /score takes an .npz of tokens [B] and poses [B, N, L, 3] (x, y [m], heading [rad] of the rear
axle in the ego frame at t0) and answers with an .npz of [B, N] for each column; JSON is answered as
JSON. GET / says what is scored. One line says where it listens; Ctrl-C or SIGTERM ends it. It has
no passwords: host=0.0.0.0 lets every machine ask that reaches the port.
""",
    examples=(
        "reworld serve reward data_split=town_train workers=2",
        "reworld serve reward caches=caches/ protocol=both columns=all port=9000",
    ),
    exit_codes=EXIT_CODES.format("port"),
)


def run(settings: ServeRewardRun) -> int:
    """Say where it listens, and wait for the end."""
    with evaluation.serve_reward(settings) as url:
        return serve_until_a_signal(f"rewards of {settings.protocol} at {url}/score")

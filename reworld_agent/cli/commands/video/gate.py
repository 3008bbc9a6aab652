"""`reworld video gate [checkpoint_path=DIR]`."""

from __future__ import annotations

from reworld_agent.cli.command import FAILED, OK, Command
from reworld_agent.core.text import shown
from reworld_agent.training import gate
from reworld_agent.training.gate.settings import GateSettings

COMMAND = Command(
    name="video gate",
    summary="does the video model know more than closed forms do?",
    settings=GateSettings,
    run="reworld_agent.cli.commands.video.gate:run",
    about="""
On held-out scenes: the error of the velocity at each noise level t beside those of 0, of a Wiener
filter of each latent channel, and of the last history latent regressed before that filter; the
velocity's slope on the input noise at t = 1, which is 1 where it is right; and what the plan loses
when the video states are another scene's, the mean state or blank. Weights pass that beat the
regressed filter at every t, have a slope of at least .95, and whose plans lose at least 5 points of
PDMS more by another scene's states than by the mean state. weights_ema beside the weights are
judged too; the exit code is of those that were named. No comparison of video models means anything
before its weights have passed.
""",
    examples=(
        "reworld video gate checkpoint_path=outputs/1/weights planner=false",
        "reworld video gate split=town_test clips=100 output=outputs/gate_test",
    ),
    exit_codes="0 the weights pass; 1 they fail (the lines are named), or refused",
)


def run(settings: GateSettings) -> int:
    """Print the tables, the verdict and the files."""
    found = gate.judge(settings)
    print(found.text())
    print(f"written: {', '.join(shown(path) for path in found.written)}")
    return OK if found.passed else FAILED

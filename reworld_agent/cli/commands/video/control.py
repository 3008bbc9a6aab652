"""`reworld video control checkpoint_path=DIR output_dir=DIR`."""

from __future__ import annotations

from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown
from reworld_agent.training import control
from reworld_agent.training.control.settings import ControlSettings

COMMAND = Command(
    name="video control",
    summary="see whether imagined futures follow the plan they are given",
    settings=ControlSettings,
    run="reworld_agent.cli.commands.video.control:run",
    about="""
In every held-out scene a model with actions imagines two plans from the same history and noise: the
recorded one, and that of another scene. A network that was told the motion between recorded latents
reads distance and yaw back. Printed is the share of futures that it reads nearer to their own plan
than to the other, with a 95 % interval over whole logs, and beside it that of the recorded futures,
which bounds what can be read. Scenes whose plans lie less than 2 m or 0.1 rad apart do not count.
""",
    examples=(
        "reworld video control checkpoint_path=outputs/stage_1/weights output_dir=outputs/control",
        "reworld video control checkpoint_path=outputs/actions/weights by=dynamics "
        "output_dir=outputs/control_dynamics",
    ),
    exit_codes="0 the figures are written, whatever they say; 1 refused or failed",
)


def run(settings: ControlSettings) -> int:
    """Print the shares, and where the pictures are."""
    found = control.measure_control(settings)
    print(found.text())
    if found.pictures is not None:
        print(f"pictures: {shown(found.pictures)}")
    return OK

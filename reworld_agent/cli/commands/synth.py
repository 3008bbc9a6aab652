"""`reworld synth data_split=NAME`."""

from __future__ import annotations

from reworld_agent.cli.command import OK, Command
from reworld_agent.scenes import synthetic
from reworld_agent.scenes.synthetic.settings import SynthSettings

COMMAND = Command(
    name="synth",
    summary="make a split of the embedded town",
    settings=SynthSettings,
    run="reworld_agent.cli.commands.synth:run",
    about="""
Logs, maps and images in NAVSIM's format, from a seed, and the environment variables that lead to
them. Other commands make the town themselves when they need it.
""",
    examples=("reworld synth data_split=town_test cameras=all output_dir=/data/town",),
    exit_codes="0 made, or already there; 1 failed",
    kept="a split that was not finished is made anew",
)


def run(settings: SynthSettings) -> int:
    """Print where the split lies, as shell commands."""
    roots = synthetic.synth(settings)
    print(f"export OPENSCENE_DATA_ROOT={roots.data_root}")
    print(f"export NUPLAN_MAPS_ROOT={roots.maps_root}")
    print(f"# train_test_split.data_split={roots.data_split}")
    return OK

"""`reworld video latents index=FILE output_dir=DIR`."""

from __future__ import annotations

from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown
from reworld_agent.training import datasets
from reworld_agent.training.datasets.clip_settings import LatentSettings

COMMAND = Command(
    name="video latents",
    summary="encode the clips of an index once",
    settings=LatentSettings,
    run="reworld_agent.cli.commands.video.latents:run",
    about="""
Says first how much disk the latents take. Can be stopped and started again, and run by several
processes at once. The index must have the model's rate: 2 frames a second for the shipped one, 8
for model=paper.
""",
    examples=(
        "reworld video index source=town data_split=town_train fps=2 frames=12 output=town.parquet",
        "reworld video latents index=town.parquet split=train output_dir=latents",
    ),
    next="reworld train agent=reworld stage=1 clips=town.parquet latents=latents",
    kept="finished latents are kept; the same command goes on",
)


def run(settings: LatentSettings) -> int:
    """Say what they would take, or how many were encoded."""
    found = datasets.encode_latents(settings)
    if found.done is None:
        print(f"latents: {found.forecast} in {shown(settings.output_dir)}")
    else:
        print(f"{found.done} clips encoded, {found.forecast.clips - found.done} were there")
    return OK

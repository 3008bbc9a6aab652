"""`reworld video prompts index=FILE t5=DIR output_dir=DIR`."""

from __future__ import annotations

from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown
from reworld_agent.training import datasets
from reworld_agent.training.datasets.clip_settings import PromptSettings

COMMAND = Command(
    name="video prompts",
    summary="embed the sentences of an index once",
    settings=PromptSettings,
    run="reworld_agent.cli.commands.video.prompts:run",
    about="""
For models with text conditioning: each clip's motion and command as a sentence, embedded by T5.
What is there already is not embedded again.
""",
    examples=(
        "reworld video prompts index=town.parquet split=train t5=LTX-Video-0.9.5 "
        "output_dir=prompts",
    ),
    next="reworld train agent=reworld stage=1 clips=town.parquet prompts=prompts",
    kept="finished sentences are kept; the same command goes on",
)


def run(settings: PromptSettings) -> int:
    """Say how many sentences there are."""
    sentences, clips = datasets.embed_prompts(settings)
    print(f"{sentences} sentences of {clips} clips are in {shown(settings.output_dir)}")
    return OK

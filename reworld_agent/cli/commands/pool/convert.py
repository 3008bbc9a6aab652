"""`reworld pool convert input=POOL output=POOL`."""

from __future__ import annotations

from reworld_agent import negatives
from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown
from reworld_agent.negatives.convert_settings import ConvertPoolSettings

COMMAND = Command(
    name="pool convert",
    summary="a pool of hard negatives to a folder of BeyondDrive's pickles, and back",
    settings=ConvertPoolSettings,
    run="reworld_agent.cli.commands.pool.convert:run",
    examples=(
        "reworld pool convert input=outputs/pool/pool.parquet output=beyonddrive_pool",
        "reworld pool convert input=beyonddrive_pool output=pool.parquet data_split=trainval",
    ),
    exit_codes="0 the other form is written; 1 refused or failed",
)


def run(settings: ConvertPoolSettings) -> int:
    """Say how many scenes the written pool has."""
    count = negatives.convert_pool(settings)
    print(f"{count} scenes: {shown(settings.output)}")
    return OK

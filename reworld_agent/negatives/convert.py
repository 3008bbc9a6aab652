"""A pool to a folder of BeyondDrive's pickles, and such a folder to a pool."""

from __future__ import annotations

from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.result_tables import read_frame
from reworld_agent.negatives.beyonddrive import export_pool, import_pool
from reworld_agent.negatives.convert_settings import ConvertPoolSettings
from reworld_agent.negatives.pool import read_pool, write_pool


@one_writer
def convert_pool(settings: ConvertPoolSettings) -> int:
    """Write the other form of a pool; how many scenes it holds.

    Raises:
        ReWorldError: the input cannot be read, is of another split, or the output cannot be
            written.
    """
    if not settings.input.is_dir():
        read_pool(settings.input, settings.data_split)  # finds every fault of the file
        return export_pool(read_frame(settings.input), settings.output)
    rows = import_pool(settings.input)
    origin = {"split": settings.data_split, "source": str(settings.input)}
    write_pool(settings.output, rows, origin)
    return int(rows["token"].nunique())

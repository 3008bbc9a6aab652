"""`python eval/score_trajectories.py`: score a file, put two stages together, print."""

from __future__ import annotations

import warnings

import pandas as pd

from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.evaluation.score_file import (
    Request,
    caches_of,
    degrees_suspected,
    provenance_of,
    read_trajectories,
    score_file,
    summary,
)
from reworld_agent.evaluation.two_stage import (
    Staged,
    format_staged,
    groups_of,
    read_mapping,
    staged,
)


def run(request: Request) -> bool:
    """Score, write and print.

    Returns:
        Whether every row has a score, and both stages where they are asked for.

    Raises:
        ReWorldError: the input cannot be read, or a table cannot be written.
    """
    if degrees_suspected(read_trajectories(request.trajectories)):
        warnings.warn("headings look like degrees; they are read as radians", stacklevel=1)
    table = score_file(request)
    stages = stage_file(request, table) if request.two_stage else None
    print(summary(table, request.protocol))
    if stages is not None:
        print(format_staged("stages", stages, request.data_split))
        print(f"stages in {request.stages_output} and {request.stages_output.with_suffix('.csv')}")
    print(f"results in {request.output} and {request.output.with_suffix('.csv')}")
    return bool(table["valid"].all()) and (stages is None or stages.result is not None)


def stage_file(request: Request, rows: pd.DataFrame) -> Staged:
    """Put both stages together and write `request.stages_output` and its csv twin.

    Args:
        request: with `two_stage`.
        rows: of `score_file`.

    Raises:
        DataError: the mapping or the output cannot be read or written.
        ConfigError: the mapping is not of this split, or a frame has several trajectories.
    """
    assert request.mapping is not None
    table = read_trajectories(request.trajectories)
    groups = groups_of(read_mapping(request.mapping), table["token"])
    found = staged(rows, table, caches_of(request), groups)
    write_parquet(request.stages_output, found.table, provenance_of(request, table))
    write_csv(request.stages_output.with_suffix(".csv"), found.table)
    return found

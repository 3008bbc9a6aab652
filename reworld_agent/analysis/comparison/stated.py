"""How sure a run's scores are: intervals of the first agent's and of the differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from reworld_agent.analysis.comparison.bootstrap import mean_intervals
from reworld_agent.analysis.comparison.compare import FEW_LOGS, compare_tables
from reworld_agent.analysis.tables.score_tables import read_table
from reworld_agent.pdm.metrics import SCORE

_CONFIDENCE = 0.95


def state_intervals(
    first: Path, others: Sequence[tuple[str, Path]], protocol: str | None = None
) -> Iterator[str]:
    """Lines of intervals (95 %, BCa bootstrap over whole logs) for scores of one split.

    Nothing where a single log, or none that is known, leaves the interval unknown.

    Args:
        first: folder of a run with every score.
        others: name and folder of agents scored beside it, paired with it scene by scene.
        protocol: whose scores they are, where the tables hold two.

    Raises:
        ReWorldError: a table cannot be read, or the agents' tables cannot be compared.
    """
    table = read_table(first, protocol)
    logs = table.logs
    if logs is None or (count := int(logs.nunique())) <= 1:
        return
    scores = table.frame[SCORE].to_numpy(np.float64)
    pieces = pd.factorize(logs)[0]
    found = mean_intervals(scores[:, None], pieces, confidence=_CONFIDENCE)
    rough = ", too few to be sure of it" if count < FEW_LOGS else ""
    yield (
        f"{table.protocol.total} {scores.mean():.4f} [{found.low[0]:.4f}, {found.high[0]:.4f}] "
        f"({100 * _CONFIDENCE:g} %, over {count:,} logs{rough})"
    )
    for name, folder in others:
        metrics = compare_tables(
            table, read_table(folder, protocol), confidence=_CONFIDENCE
        ).metrics
        row = metrics[metrics["metric"] == SCORE].iloc[0]
        yield f"  minus {name}: {row.difference:+.4f} [{row.low:+.4f}, {row.high:+.4f}]"

"""Tables of NAVSIM v2.2's two stages: which rows are of which, and NAVSIM's own score of them.

NAVSIM's score of such a table is no mean of its rows: a frame of stage one counts by the weighted
mean of the synthetic frames around it, and the weights are not in the table. So the official rows
at its end are read, and nothing is averaged over both stages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from reworld_agent.core.errors import DataError
from reworld_agent.core.vocabulary import GROUP_SCORES
from reworld_agent.pdm.metrics import SCORE

ROUNDING = 1e-9
STAGE = re.compile(r"_stage_(one|two)$")
ONE, TWO, COMBINED = "stage one", "stage two", "combined"
OFFICIAL = {
    "extended_pdm_score_stage_one": ONE,
    "extended_pdm_score_stage_two": TWO,
    "extended_pdm_score_combined": COMBINED,
}
"""Tokens of NAVSIM's summary rows, and what they are of."""
STAGE_COLUMN = "stage"


def merge_stages(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The columns of both stages put together, and `stage`: of each row, "" where unknown."""
    names = sorted({STAGE.sub("", str(name)) for name in frame if STAGE.search(str(name))})
    if not names:
        return frame
    has = {
        stage: frame[[f"{name}_{stage}" for name in names]].notna().any(axis=1)
        for stage in ("stage_one", "stage_two")
    }
    for name in names:
        one, two = (frame.pop(f"{name}_{stage}") for stage in ("stage_one", "stage_two"))
        frame[name] = one.where(one.notna(), two)
    frame[STAGE_COLUMN] = np.select([has["stage_one"], has["stage_two"]], [ONE, TWO], "")
    notes.append("two stages: their rows are not averaged together; see NAVSIM's own rows")
    return frame


def group_scores(provenance: Mapping[str, Any], combined: float, where: str) -> pd.Series | None:
    """Scores of the groups of a table of ours: an original scene with its synthetic ones.

    Args:
        provenance: of the table.
        combined: NAVSIM's combined score in the table, which is their mean.
        where: begins the error's message.

    Returns:
        By the token of the present frame; None where the table does not have them, or has rows of
        other groups.

    Raises:
        DataError: they are no numbers.
    """
    found = provenance.get(GROUP_SCORES)
    if found is None:
        return None
    kept = isinstance(found, Mapping) and all(
        isinstance(value, float | int) and math.isfinite(value) for value in found.values()
    )
    if not kept or not found:
        message = f"{where}: its provenance is damaged ({GROUP_SCORES} must hold numbers)"
        raise DataError(message, "score again with the same output_dir=")
    scores = pd.Series(dict(found), dtype=np.float64)
    return scores if abs(scores.mean() - combined) <= ROUNDING else None


def official_scores(rows: pd.DataFrame, token: str, valid: str) -> dict[str, float]:
    """Scores of NAVSIM's summary rows by stage; NaN where a row says that it is not valid."""
    found = {}
    for row in rows.to_dict("records"):
        name = OFFICIAL.get(str(row[token]))
        if name is None or SCORE not in row:
            continue
        is_valid = str(row.get(valid, True)).lower() in ("true", "1", "1.0")
        value = pd.to_numeric(pd.Series([row[SCORE]]), errors="coerce").iloc[0]
        found[name] = float(value) if is_valid else float("nan")
    return found

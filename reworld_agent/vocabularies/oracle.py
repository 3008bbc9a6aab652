"""How well a planner could do that chose from a vocabulary, and what nearness to the log gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.records import Mistyped, read_record
from reworld_agent.core.records.typed import typed
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.core.shards import IDENTITY
from reworld_agent.core.text import shown
from reworld_agent.pdm.metrics.registry import score_columns
from reworld_agent.vocabularies.files import Vocabulary, read_vocabulary
from reworld_agent.vocabularies.scene_files import LOGGED, paths, scenes_in, scenes_of
from reworld_agent.vocabularies.score import VOCABULARY
from reworld_agent.vocabularies.settings import OracleSettings

_GO_ON = "start the same reworld vocabulary score again: what is finished is kept"
_FIX = "name the output folder of reworld vocabulary score"


@dataclass(frozen=True)
class OracleTable:
    """What was found.

    Attributes:
        rows: token, min_ade_m (to the logged future, over x and y at 2 Hz), and for each score
            `<score>_best`, its `<score>_best_index`, `<score>_nearest_<N>` (the best of the N
            trajectories that are nearest to the logged one), `<score>_mean`.
        size: trajectories of the vocabulary.
        missing: scenes without scores, which have no row.
    """

    rows: pd.DataFrame
    size: int
    missing: int = 0

    def text(self) -> str:
        """Means over the scenes, a line a column."""
        numbers = self.rows.drop(columns=["token"])
        means = numbers[[name for name in map(str, numbers) if not name.endswith("_index")]].mean()
        width = max(map(len, means.index))
        without = f", {self.missing} without scores left out" if self.missing else ""
        lines = [f"{len(self.rows)} scenes{without}, {self.size} trajectories"]
        return "\n".join(lines + [f"  {name:<{width}}  {one:.4f}" for name, one in means.items()])


@dataclass(frozen=True)
class _Scored:
    """What must be known of scores: the vocabulary's digest, its sampling, how and how many."""

    vocabulary: str
    interval_s: float
    protocol: Literal["pdms_v1", "epdms_v2", "both"]
    scenes: int


@one_writer
def oracle(settings: OracleSettings) -> OracleTable:
    """Read scores of a vocabulary, and write what the best choices would score.

    Raises:
        DataError: the folder holds no scores of a vocabulary, not those of all scenes, or damaged
            or changed ones.
    """
    folder = settings.scores
    record: dict[str, Any] = read_record(folder / IDENTITY, dict[str, Any], _FIX)
    if not paths(folder) or "interval_s" not in record:
        raise DataError(f"{shown(folder)}: no scores of a vocabulary", _FIX)
    try:
        known = typed(
            _Scored, {key: record[key] for key in _Scored.__annotations__ if key in record}
        )
    except Mistyped as error:
        message = f"{shown(folder / IDENTITY)}: {error.message}; {error.hint}"
        raise DataError(message, _FIX) from error
    vocabulary = read_vocabulary(folder / VOCABULARY, known.interval_s)
    if vocabulary.digest != known.vocabulary:
        message = f"{shown(folder / VOCABULARY)} is not the vocabulary that was scored"
        raise DataError(message, _GO_ON)
    scenes = scenes_in(folder)
    if scenes != known.scenes:
        message = (
            f"{shown(folder)}: {scenes} of {known.scenes} scenes are there, the run is unfinished"
        )
        raise DataError(message, _GO_ON)
    totals = score_columns(known.protocol)
    positions = positions_at_2_hz(vocabulary)
    top = [number for number in settings.top if number <= len(vocabulary)]
    rows = [
        {"token": token, **_row(scores, totals, positions, top)}
        for token, scores in scenes_of(folder, [LOGGED, *totals])
    ]
    if not rows:
        raise DataError(f"{shown(folder)}: no scene has scores", _FIX)
    table = pd.DataFrame(rows)
    write_parquet(settings.output, table, {"scores": record})
    write_csv(settings.output.with_suffix(".csv"), table)
    return OracleTable(table, len(vocabulary), scenes - len(table))


def positions_at_2_hz(vocabulary: Vocabulary) -> NDArray[np.float64]:
    """x, y [m] of each trajectory at 0.5 … 4 s: [V, 8, 2], NaN beyond its end."""
    times = vocabulary.interval_s * np.arange(vocabulary.poses.shape[1] + 1)
    wanted = 0.5 * np.arange(1, 9)
    place = np.interp(wanted, times, np.arange(len(times)))
    before = np.floor(place).astype(int)
    after = np.minimum(before + 1, len(times) - 1)
    share = (place - before)[None, :, None]
    whole = np.insert(vocabulary.poses[..., :2], 0, 0.0, axis=1)
    found = whole[:, before] * (1.0 - share) + whole[:, after] * share
    found[:, wanted > times[-1] + 1e-9] = np.nan
    return np.asarray(found)


def _row(
    scores: dict[str, NDArray[np.float32]],
    totals: tuple[str, ...],
    positions: NDArray[np.float64],
    top: list[int],
) -> dict[str, float]:
    logged = scores[LOGGED].astype(np.float64).reshape(8, 3)[:, :2]
    gaps = np.linalg.norm(positions - logged, axis=2)
    known = np.isfinite(gaps).any(axis=0)
    ade = np.full(len(positions), np.nan)
    if known.any():
        ade = np.nanmean(gaps[:, known], axis=1)
    row: dict[str, float] = {"min_ade_m": float(ade.min())}
    order = np.argsort(ade, kind="stable")
    for total in totals:
        values = scores[total].astype(np.float64)
        row[f"{total}_best"] = float(values.max())
        row[f"{total}_best_index"] = int(values.argmax())
        row[f"{total}_mean"] = float(values.mean())
        for number in top:
            best = values[order[:number]].max() if known.any() else np.nan
            row[f"{total}_nearest_{number}"] = float(best)
    return row

"""What a report says: plain numbers and words, before any HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reworld_agent.analysis.comparison.bootstrap import mean_intervals
from reworld_agent.analysis.comparison.comparison import Comparison, deciding_name
from reworld_agent.analysis.explanation.explain import GROUPS
from reworld_agent.analysis.explanation.worst import records_by_token
from reworld_agent.analysis.figures.charts import BINS, counts
from reworld_agent.analysis.tables.published import Published, own_row, published, unlike
from reworld_agent.analysis.tables.score_tables import ScoreTable
from reworld_agent.analysis.tables.two_stages import COMBINED, ONE, STAGE_COLUMN
from reworld_agent.core.text import shown
from reworld_agent.pdm.metrics import SCORE, metric

RESAMPLES = 2_000
_OF_STAGE = (", stage one", ", both stages (NAVSIM's combined row)")  # a metric, the score
ROWS = 300  # failures in the page's table
_PROVENANCE = {
    "protocol": "protocol",
    "split": "split",
    "agent": "agent",
    "weights_sha256": "weights (SHA-256)",
    "gate": "gate of the video model",
    "code_version": "code",
    "tokens": "scenes asked for",
    "numpy": "numpy",
    "blas": "BLAS",
}


@dataclass(frozen=True)
class Explained:
    """Failures of a run.

    Attributes:
        rows: of `explain_runs.explain_run`.
        failed: failed scenes of the run, of which the rows may be a sample.
        notes: what was left out, and why.
    """

    rows: pd.DataFrame
    failed: int
    notes: tuple[str, ...] = ()


def score_card(table: ScoreTable) -> list[dict[str, Any]]:
    """One dict a metric: name, full name, mean, 95 % interval, scenes that lose it.

    Of a table of two stages the metrics are of stage one, and the score is NAVSIM's combined one.
    """
    rows = [metric(name) for name in table.protocol.metrics if name in table.frame]
    staged = table.stages is not None
    counted = np.asarray(table.stages == ONE) if staged else np.ones(len(table.frame), bool)
    values = table.frame.loc[counted, [row.name for row in rows]].to_numpy()
    bounds = mean_intervals(values, _clusters(table)[counted], RESAMPLES)
    uncounted = (*table.protocol.reported, *table.protocol.added)
    cards = []
    for i, row in enumerate(rows):
        own, is_score = values[:, i], row.name == SCORE
        cards.append(
            {
                "short": table.protocol.total if is_score else row.short,
                "full": (table.protocol.title if is_score else row.title)
                + (_OF_STAGE[is_score] if staged else ""),
                "is_score": is_score,
                "mean": _official(table) if staged and is_score else _mean(own),
                "low": None if staged and is_score else _number(bounds.low[i]),
                "high": None if staged and is_score else _number(bounds.high[i]),
                "lost": int((own < row.bound).sum()),
                "bound": row.bound,
                "unit": row.unit,
                "counts": row.name not in uncounted,
            }
        )
    return cards


def _clusters(table: ScoreTable) -> NDArray[np.int64]:
    """The log of each scene as a number; its own number where logs are not known."""
    if table.logs is not None:
        logs = table.logs.reindex(table.frame.index)
        if logs.notna().all():
            return pd.factorize(logs)[0].astype(np.int64)
    return np.arange(len(table.frame), dtype=np.int64)


def _official(table: ScoreTable) -> float | None:
    """NAVSIM's combined score of two stages; None where it has none."""
    return _number(table.official.get(COMBINED, math.nan))


def _mean(values: Any) -> float | None:
    """Mean, None where a scene has no score: what is missing is not averaged over."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def histogram(table: ScoreTable) -> list[dict[str, Any]]:
    """Bins of the score: from, to, scenes, height in percent of the highest."""
    number, edges = np.histogram(table.frame[SCORE].dropna(), BINS, (0.0, 1.0))
    most = max(int(number.max()), 1)
    return [
        {"low": edges[i], "high": edges[i + 1], "count": int(n), "percent": 100.0 * n / most}
        for i, n in enumerate(number)
    ]


def provenance(table: ScoreTable) -> list[tuple[str, str]]:
    """What is known of where the numbers come from."""
    known = [(text, table.provenance.get(key)) for key, text in _PROVENANCE.items()]
    rows = [(text, str(value)) for text, value in known if value not in (None, "")]
    if not any(text == "protocol" for text, _ in rows):
        rows.insert(0, ("protocol", f"{table.protocol.name} (from its {table.protocol_from})"))
    return [*rows, ("table", shown(table.path))]


def breakdown(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """For each group its bins: name, failed scenes, parts by metric in percent of the longest."""
    if rows.empty:
        return []
    groups = []
    for by in GROUPS:
        table = counts(rows, by)
        most = int(table.sum(axis=1).max())
        bins = [
            {
                "name": str(name),
                "count": int(own.sum()),
                "parts": [
                    {"metric": str(metric), "count": int(n), "percent": 100.0 * n / most}
                    for metric, n in own.items()
                    if n
                ],
            }
            for name, own in table.iterrows()
        ]
        groups.append({"by": by, "bins": bins})
    return groups


def scenes(
    rows: pd.DataFrame, played: Collection[str], outcomes: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One dict a failed scene, worst first: all its failures, and whether it is played."""
    order = rows["token"].drop_duplicates().head(max(ROWS, len(played)))
    chosen = rows[rows["token"].isin(order)]
    groups = records_by_token(chosen)
    return [_scene(groups[str(token)], played, outcomes) for token in order]


def _scene(
    own: Sequence[Mapping[str, Any]],
    played: Collection[str],
    outcomes: Mapping[str, str],
) -> dict[str, Any]:
    first = own[0]
    token = str(first["token"])
    return {
        **{key: first[key] for key in ("log_name", "class", "command", "city", "speed_mps")},
        "token": token,
        "score": float(first["score"]),
        "metrics": [str(row["metric"]) for row in own],
        "sentences": [str(row["sentence"]) for row in own],
        "played": token in played,
        "outcome": outcomes.get(token, ""),
    }


def paper(table: ScoreTable) -> list[dict[str, Any]]:
    """The published tables, the run's own row where it is alike, else the reasons."""
    return [_paper(table, other) for other in published().values() if other.protocol] + [
        {"table": other, "reasons": ["a planner's run has no FVD"], "own": None}
        for other in published().values()
        if not other.protocol
    ]


def _paper(table: ScoreTable, other: Published) -> dict[str, Any]:
    reasons = unlike(table, other)
    own = None if reasons else own_row(table, other)
    return {"table": other, "reasons": reasons, "own": own, "label": table.label}


def beside(found: Comparison | None) -> dict[str, Any] | None:
    """A comparison with another run."""
    if found is None:
        return None
    rows = [
        {
            **row,
            "short": f"{metric(row['metric']).short} {row.get(STAGE_COLUMN, '')}".strip(),
            "unit": metric(row["metric"]).unit,
            "clear": row["low"] > 0 or row["high"] < 0,
        }
        for row in found.metrics.to_dict("records")
    ]
    causes = {}
    for outcome in ("won", "lost"):
        own = found.scenes[found.scenes["outcome"] == outcome]
        named = own["decided_by"].value_counts()
        causes[outcome] = {
            "count": len(own),
            "by": [(deciding_name(str(name)), int(n)) for name, n in named.items()],
        }
    return {
        "label": found.b.label,
        "verdict": in_percent(found.verdict.removeprefix("VERDICT: ")),
        "path": shown(found.b.path),
        "rows": rows,
        "causes": causes,
        "scenes": len(found.scenes),
        "clusters": found.clusters,
        "notes": found.notes,
        "notices": [(letter, notice) for letter, notice in found.notices if letter == "B"],
    }


def in_percent(verdict: str) -> str:
    """A verdict with its scores and differences in percent, as everything on the page."""
    return re.sub(r"\b\d\.\d{4}\b", lambda found: f"{100.0 * float(found[0]):.2f}", verdict)

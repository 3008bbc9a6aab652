"""Is A better than B? Two score tables, paired scene by scene."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reworld_agent.analysis.comparison.bootstrap import mean_intervals
from reworld_agent.analysis.comparison.comparison import (
    LOST,
    TIED,
    UNKNOWN,
    WON,
    Combined,
    Comparison,
)
from reworld_agent.analysis.comparison.settings import CompareSettings
from reworld_agent.analysis.tables.driven import require_same_world
from reworld_agent.analysis.tables.sanity import ERROR, notices
from reworld_agent.analysis.tables.score_tables import ScoreTable, read_table
from reworld_agent.analysis.tables.two_stages import COMBINED, ONE, STAGE_COLUMN, TWO, group_scores
from reworld_agent.core.errors import ConfigError, DataError, ReWorldError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.text import shown
from reworld_agent.pdm.metrics import SCORE, Protocol, short_name

TIE = 1e-9  # smaller differences are rounding
FEW_LOGS = 20
_SHOWN = 3
Columns = dict[str, NDArray[np.float64]]
logger = logging.getLogger(__name__)


@one_writer
def compare(settings: CompareSettings) -> Comparison:
    """Read two tables, compare them scene by scene, and write what the settings ask for.

    Where they cannot be compared, signs of a broken table are still logged: they may be why.

    Raises:
        ConfigError: unlike protocols, or unlike sets of scenes without `common`.
        DataError: a table cannot be read, they have no scene in common, or a file cannot be
            written.
    """
    a, b = (read_table(path, settings.protocol) for path in (settings.a, settings.b))
    try:
        found = compare_tables(a, b, settings.common, settings.resamples, seed=settings.seed)
    except ReWorldError:
        for letter, table in (("A", a), ("B", b)):
            for notice in notices(table):
                level = logging.ERROR if notice.level == ERROR else logging.WARNING
                logger.log(level, "%s: %s", letter, notice.text)
        raise
    if settings.output is None:
        return found
    return replace(found, written=found.write(settings.output))


def compare_tables(
    a: ScoreTable,
    b: ScoreTable,
    common: bool = False,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 1,
) -> Comparison:
    """Compare two tables scene by scene.

    Args:
        a: a table of scores.
        b: another one, of the same protocol.
        common: compare the scenes that both have a score for, where they are not the same.
        resamples: of the bootstrap.
        confidence: of the intervals, such as 0.95.
        seed: of the resampling.

    Raises:
        ConfigError: unlike protocols, or drives in unlike worlds; or unlike sets of scenes and not
            `common`.
        DataError: no scene in common.
    """
    if a.protocol.name != b.protocol.name:
        raise ConfigError(
            f"unlike protocols: {shown(a.path)} is {a.protocol.name} (from its {a.protocol_from}), "
            f"{shown(b.path)} is {b.protocol.name} (from its {b.protocol_from})",
            "score both under one protocol; their numbers mean different things",
        )
    require_same_world(a, b)
    notes: list[str] = []
    tokens = _paired_tokens(a, b, common, notes)
    stages = _stages(a, b, tokens, common, notes)
    if stages is not None:
        tokens = tokens[stages != ""]
        stages = stages[stages != ""]
    names = [name for name in a.protocol.metrics if name in a.frame and name in b.frame]
    only = [short_name(n) for n in a.protocol.metrics if (n in a.frame) != (n in b.frame)]
    if only:
        notes.append(f"in one table only, not compared: {', '.join(only)}")
    first, second = (_columns(table, tokens, names) for table in (a, b))
    logs, kind = _clusters(a, b, tokens, notes)
    pieces = pd.factorize(logs)[0]
    metrics = pd.concat(
        [
            _metric_rows(first, second, pieces, own, resamples, confidence, seed).assign(**named)
            for own, named in _parts(stages, len(tokens))
        ],
        ignore_index=True,
    )
    scenes = _scene_rows(a.protocol, tokens, logs if kind == "logs" else None, first, second)
    if stages is not None:
        scenes[STAGE_COLUMN] = stages
    count = int(pd.Series(logs).nunique())
    if count < FEW_LOGS:
        rough = f"only {count} {kind}: intervals are rough"
        notes.append(rough if count > 1 else f"only one of the {kind}: no interval can be given")
    return Comparison(
        a,
        b,
        metrics,
        scenes,
        (count, kind),
        {"confidence": confidence, "resamples": resamples, "seed": seed, "common": common},
        tuple(notes),
        tuple((name, item) for name, table in (("A", a), ("B", b)) for item in notices(table)),
        combined=_combined(a, b, resamples, confidence, seed),
    )


def _combined(
    a: ScoreTable, b: ScoreTable, resamples: int, confidence: float, seed: int
) -> Combined | None:
    """The interval of NAVSIM's combined score, where both tables hold what it is the mean of.

    What is resampled are original scenes, each with the synthetic ones that follow from it and
    their weights; of one log together, where logs are known.
    """
    first, second = (
        group_scores(table.provenance, table.official.get(COMBINED, np.nan), shown(table.path))
        for table in (a, b)
    )
    if first is None or second is None or set(first.index) != set(second.index):
        return None
    values = (first - second.reindex(first.index)).to_numpy()[:, None]
    logs, kind = _clusters(a, b, first.index, [])
    pieces = pd.factorize(logs)[0]
    found = mean_intervals(values, pieces, resamples, confidence, seed)
    pieces_named = "logs" if kind == "logs" else "original scenes with their synthetic ones"
    return Combined(float(found.low[0]), float(found.high[0]), int(pieces.max()) + 1, pieces_named)


def _paired_tokens(a: ScoreTable, b: ScoreTable, common: bool, notes: list[str]) -> pd.Index:
    """Tokens that both have a score for, in A's order."""
    own = {name: t.frame.index[t.frame[SCORE].notna()] for name, t in (("A", a), ("B", b))}
    both = own["A"][own["A"].isin(own["B"])]
    counts = {name: len(tokens) - len(both) for name, tokens in own.items()}
    unscored = {name: len(t.frame) - len(own[name]) for name, t in (("A", a), ("B", b))}
    empty = [t for name, t in (("A", a), ("B", b)) if own[name].empty]
    if empty:
        raise DataError(
            f"{shown(empty[0].path)}: none of {len(empty[0].frame)} scenes has a score",
            "failures.csv beside it says why; score again with the same output_dir=",
        )
    if len(both) == 0:
        raise DataError(
            f"{shown(a.path)} and {shown(b.path)} have no scored scene in common",
            "compare two runs of one split",
        )
    if any(counts.values()) or any(unscored.values()):
        text = (
            f"unlike scenes: {len(both)} in both, {counts['A']} only in A, {counts['B']} only in B"
            f" (without a score: {unscored['A']} in A, {unscored['B']} in B)"
        )
        if not common:
            absent = own["A"].symmetric_difference(own["B"])[:_SHOWN]
            raise ConfigError(
                f"{text}; first: {', '.join(absent) or 'those without a score'}",
                f"add common=true to compare the {len(both)} that both have a score for",
            )
        notes.append(f"{text}: the {len(both)} are compared, and these means are theirs alone")
    return both


def _stages(
    a: ScoreTable, b: ScoreTable, tokens: pd.Index, common: bool, notes: list[str]
) -> NDArray[np.str_] | None:
    """The stage of each token; None where a table has one stage: then stage one is compared.

    Raises:
        ConfigError: one table has two stages and the other has one, and not `common`.
        DataError: a token is of stage one in one table, of stage two in the other.
    """
    own = {name: t.stages for name, t in (("A", a), ("B", b)) if t.stages is not None}
    if not own:
        return None
    if len(own) == 1:
        (name,) = own
        if not common:
            raise ConfigError(
                f"{name} is a table of two stages, the other of one: their scores are not alike",
                "compare tables of one kind; or add common=true to compare the frames of stage one",
            )
        notes.append(f"{name} has two stages: only frames of its stage one are compared")
        stages = own[name].reindex(tokens).to_numpy()
        return np.where(stages == ONE, ONE, "")
    first, second = (stages.reindex(tokens).to_numpy() for stages in own.values())
    differ = tokens[(first != second) & (first != "") & (second != "")]
    if len(differ):
        raise DataError(
            f"{len(differ)} scenes are of another stage in B than in A, first {differ[0]}",
            "compare two runs of one two-stage split",
        )
    return np.where(first == "", second, first)


def _parts(
    stages: NDArray[np.str_] | None, count: int
) -> list[tuple[NDArray[np.intp], dict[str, str]]]:
    """Rows that are averaged together, and the stage that they are of where there are two."""
    if stages is None:
        return [(np.arange(count), {})]
    return [
        (np.flatnonzero(stages == stage), {STAGE_COLUMN: stage})
        for stage in (ONE, TWO)
        if (stages == stage).any()
    ]


def _columns(table: ScoreTable, tokens: pd.Index, names: list[str]) -> Columns:
    chosen = table.frame.loc[tokens]
    return {name: chosen[name].to_numpy() for name in names}


def _clusters(
    a: ScoreTable, b: ScoreTable, tokens: pd.Index, notes: list[str]
) -> tuple[NDArray[Any], str]:
    """What is resampled: the log of each token, or the token where logs are not known."""
    for table in (a, b):
        if table.logs is not None:
            logs = table.logs.reindex(tokens)
            if logs.notna().all():
                return logs.to_numpy(), "logs"
    notes.append("logs unknown: scenes are resampled one by one, so intervals may be too narrow")
    return tokens.to_numpy(), "scenes"


def _metric_rows(
    first: Columns,
    second: Columns,
    clusters: NDArray[np.int64],
    rows: NDArray[np.intp],
    resamples: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Paired means of some rows of both tables."""
    first = {name: values[rows] for name, values in first.items()}
    second = {name: values[rows] for name, values in second.items()}
    differences = np.stack([first[name] - second[name] for name in first], axis=1)
    pieces = pd.factorize(clusters[rows])[0]
    found = mean_intervals(differences, pieces, resamples, confidence, seed)
    return pd.DataFrame(
        {
            "metric": list(first),
            "mean_a": [np.nanmean(values) for values in first.values()],
            "mean_b": [np.nanmean(values) for values in second.values()],
            "difference": np.nanmean(differences, axis=0),
            "low": found.low,
            "high": found.high,
            "standard_error": found.standard_error,
            "minimum_detectable": found.minimum_detectable,
            WON: (differences > TIE).sum(axis=0),
            LOST: (differences < -TIE).sum(axis=0),
            TIED: (np.abs(differences) <= TIE).sum(axis=0),
        }
    )


def _scene_rows(
    protocol: Protocol,
    tokens: pd.Index,
    logs: NDArray[Any] | None,
    first: Columns,
    second: Columns,
) -> pd.DataFrame:
    difference = first[SCORE] - second[SCORE]
    outcome = np.select([difference > TIE, difference < -TIE], [WON, LOST], TIED)
    return pd.DataFrame(
        {
            "token": tokens,
            "log_name": logs if logs is not None else "",
            "score_a": first[SCORE],
            "score_b": second[SCORE],
            "difference": difference,
            "outcome": outcome,
            "decided_by": decisive_metric(protocol, first, second, difference),
        }
    )


def decisive_metric(
    protocol: Protocol, first: Columns, second: Columns, difference: NDArray[np.float64]
) -> NDArray[np.str_]:
    """For each scene the metric that decides it, "" in a tie.

    It is the one that takes most from the winner's score when the loser's value is put in its
    place alone; `unknown` where the tables lack the metrics or none explains the difference.
    """
    names = [name for name in (*protocol.multipliers, *protocol.weights) if name in first]
    if any(name not in first for name in protocol.required):
        return np.where(np.abs(difference) > TIE, UNKNOWN, "")
    wins = difference > 0.0
    winner = {name: np.where(wins, first[name], second[name]) for name in names}
    loser = {name: np.where(wins, second[name], first[name]) for name in names}
    full = protocol.score(winner)
    costs = np.stack([full - protocol.score({**winner, name: loser[name]}) for name in names])
    best = np.nanargmax(np.where(np.isfinite(costs), costs, -np.inf), axis=0)
    decided = np.where(costs[best, np.arange(len(best))] > TIE, np.array(names)[best], UNKNOWN)
    return np.where(np.abs(difference) > TIE, decided, "")

"""Score tables from anywhere: our runs, NAVSIM's csv files, tables of other people.

What was recognised, renamed or left out is said in `ScoreTable.notes`; the protocol is read from
the file or from columns that only one protocol has, and never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reworld_agent.analysis.tables.raw_tables import find_file, open_table
from reworld_agent.analysis.tables.two_stages import (
    OFFICIAL,
    STAGE,
    STAGE_COLUMN,
    merge_stages,
    official_scores,
)
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.records import as_shown
from reworld_agent.core.text import shown
from reworld_agent.core.vocabulary import PROTOCOL_NAMES, TABLE_PROTOCOLS
from reworld_agent.pdm.metrics import SCORE, Protocol, aliases, protocols, table_protocols
from reworld_agent.pdm.metrics import protocol as rules_of
from reworld_agent.pdm.metrics.table import DRIVE, MP

_LONGEST = 500  # letters of a list of columns in a message
TOKEN, LOG, VALID = "token", "log_name", "valid"
_NAMES = {
    "token": TOKEN,
    "scene_token": TOKEN,
    "scenario_token": TOKEN,
    "initial_token": TOKEN,
    "scenario": TOKEN,
    "log_name": LOG,
    "log": LOG,
    "valid": VALID,
}
_FOOTER = re.compile(r"(average|mean|aggregate|summary|total|overall|extended_pdm_score)\w*", re.I)


@dataclass(frozen=True)
class ScoreTable:
    """Scores of one agent.

    Attributes:
        label: name of the agent, else of the file.
        path: the file.
        protocol: how it was scored.
        protocol_from: what says so: `metadata`, `columns` or `protocol=`.
        frame: index token; the metrics that the table has, float64, NaN in a scene without score.
        logs: log name of each token, or None where it is not known.
        footer: values of the table's summary row, empty where it has none.
        stages: of a table of two stages the stage of each token; else None.
        official: of such a table NAVSIM's own scores: `stage one`, `stage two`, `combined`; those
            that it has, NaN where they are not valid.
        provenance: of a table of ours, else empty.
        notes: what was done to read it.
    """

    label: str
    path: Path
    protocol: Protocol
    protocol_from: str
    frame: pd.DataFrame
    logs: pd.Series | None = None
    footer: dict[str, float] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stages: pd.Series | None = None
    official: dict[str, float] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, float]:
        """What its own last rows say of the score, by name; of one stage `the summary row`."""
        if self.stages is not None:
            return self.official
        return {"the summary row": self.footer[SCORE]} if SCORE in self.footer else {}


def read_table(
    path: str | Path, protocol: str | None = None, of_both: str | None = None
) -> ScoreTable:
    """Read a table of scores, one row a scene.

    Args:
        path: parquet or csv file, or the folder of a run.
        protocol: `pdms_v1` or `epdms_v2` where the table itself does not tell, or which of the
            two to read of a table of both.
        of_both: which of the two to read of a table of both; another table may have any protocol.

    Raises:
        DataError: no table, not readable, no tokens, a token twice, or values that are no numbers.
        ConfigError: the protocol cannot be inferred, or contradicts what the table says.
    """
    file = find_file(Path(path))
    raw = open_table(file)
    notes: list[str] = []
    prefix = _half(raw.columns, protocol or of_both, file)
    names = {name.removeprefix(prefix): name for name in raw.columns if _belongs(name, prefix)}
    chosen = _choose(list(names), notes, file)
    frame = raw.read([names[name] for name in chosen])
    frame = frame.rename(columns={names[name]: canonical for name, canonical in chosen.items()})
    _require_texts(frame, file)
    frame = merge_stages(frame, notes)
    frame, footer, official = _split_footer(frame, raw.provenance, notes)
    _check_tokens(frame, file)
    frame[TOKEN] = frame[TOKEN].astype(object)  # pandas looks up plain strings ten times faster
    recorded = prefix.rstrip("_") or raw.provenance.get("protocol")
    found, protocol_from = _protocol([str(name) for name in frame], recorded, protocol, file)
    if prefix:
        notes.append(f"scored by both protocols; read here: {found.name}")
    logs = _logs(frame, file)
    scores = _scores(frame.set_index(TOKEN), found, file, notes)
    return ScoreTable(
        label=str(raw.provenance.get("agent") or _label(file)),
        path=file,
        protocol=found,
        protocol_from=protocol_from,
        frame=scores,
        logs=logs,
        footer={key: value for key, value in footer.items() if key in scores},
        provenance=raw.provenance,
        notes=tuple(notes),
        stages=frame.set_index(TOKEN)[STAGE_COLUMN] if STAGE_COLUMN in frame else None,
        official=official,
    )


def _half(columns: Sequence[str], wanted: str | None, file: Path) -> str:
    """Prefix of the columns to read in a table of both protocols; "" for any other table."""
    if not all(any(_belongs_to(name, column) for column in columns) for name in PROTOCOL_NAMES):
        return ""
    if wanted not in PROTOCOL_NAMES:
        raise ConfigError(
            f"{shown(file)}: scored by both {' and '.join(PROTOCOL_NAMES)}",
            f"say which to read: protocol={' | '.join(PROTOCOL_NAMES)}",
        )
    return f"{wanted}_"


def _belongs_to(protocol: str, column: str) -> bool:
    return column.startswith(f"{protocol}_")


def _belongs(column: str, prefix: str) -> bool:
    """Whether a column is of the half with this prefix, or of both halves."""
    return column.startswith(prefix) or not any(
        _belongs_to(name, column) for name in PROTOCOL_NAMES
    )


def _choose(columns: Sequence[str], notes: list[str], file: Path) -> dict[str, str]:
    """Columns to read, each with its canonical name; an exact name wins over an alias."""
    chosen: dict[str, str] = {}
    meanings = {**_NAMES, **dict(aliases())}
    known = {*_NAMES.values(), *(name for rules in table_protocols() for name in rules.metrics)}
    for column in columns:
        stage = STAGE.search(column)
        base = column[: stage.start()] if stage else column
        name = meanings.get(base.strip().lower(), base.strip())
        exact = base == name
        if name not in known or (not exact and name in columns):
            continue
        chosen[column] = name + (stage.group() if stage else "")
    if TOKEN not in chosen.values():
        raise DataError(
            f"{shown(file)}: no column `token`; it has {', '.join(map(str, columns))[:_LONGEST]}",
            "give a table with one row a scene; a table of means cannot be paired",
        )
    twice = sorted({name for name in chosen.values() if list(chosen.values()).count(name) > 1})
    if twice:
        both = [column for column, name in chosen.items() if name == twice[0]]
        raise DataError(
            f"{shown(file)}: columns {' and '.join(both)} both mean {twice[0]}", "drop one of them"
        )
    renamed = [f"{old} → {new}" for old, new in chosen.items() if old != new]
    others = [c for c in columns if c not in chosen and c and not c.startswith("Unnamed")]
    if renamed:
        notes.append(f"columns renamed: {', '.join(renamed)}")
    if others:
        notes.append(f"columns not used: {', '.join(others)}")
    return chosen


def _split_footer(
    frame: pd.DataFrame, provenance: dict[str, Any], notes: list[str]
) -> tuple[pd.DataFrame, dict[str, float], dict[str, float]]:
    """Scenes, the values of the first summary row, and the official scores of two stages.

    Args:
        frame: all rows.
        provenance: of a table of ours, else empty.
        notes: what is left out is added here.
    """
    tokens = frame[TOKEN].fillna("")
    scenes = len(frame) - _footers(tokens.tolist(), provenance)
    is_footer = pd.Series(np.arange(len(frame)) >= scenes, index=frame.index)
    blank = (tokens == "") & ~is_footer & (not provenance)  # else it is a scene of that name
    if blank.any():
        notes.append(f"{int(blank.sum())} rows without a token left out")
    footer: dict[str, float] = {}
    if is_footer.any():
        notes.append(f"summary rows left out of the scenes: {', '.join(tokens[is_footer])}")
        first = pd.to_numeric(frame[is_footer].iloc[0], errors="coerce")
        footer = {str(key): float(value) for key, value in first.items() if np.isfinite(value)}
    official = official_scores(frame[is_footer], TOKEN, VALID) if STAGE_COLUMN in frame else {}
    return frame[~(is_footer | blank)].reset_index(drop=True), footer, official


def _footers(tokens: list[str], provenance: dict[str, Any]) -> int:
    """How many summary rows end a table; a scene may have the name of one.

    A table of ours says which it has: NAVSIM's three of two stages, `average` where an agent was
    scored, else none. Of any other they are the last rows with such names, each name once.
    """
    if provenance:
        three = tokens[-len(OFFICIAL) :]
        if set(three) == set(OFFICIAL):
            return len(three)
        return int("agent" in provenance and tokens[-1:] == ["average"])
    seen: set[str] = set()
    for name in reversed(tokens):
        if not _FOOTER.fullmatch(name) or name in seen:
            break
        seen.add(name)
    return len(seen)


def _require_texts(frame: pd.DataFrame, file: Path) -> None:
    """Tokens as plain texts, whatever the file has them as; raises DataError for numbers."""
    frame[TOKEN] = frame[TOKEN].astype(object)
    strange = [token for token in frame[TOKEN].dropna() if not isinstance(token, str)]
    if strange:
        number = as_shown(strange[0])
        message = f"{shown(file)}: the token {number} is no text, and may lack zeros in front"
        raise DataError(message, "write tokens as text")


def _check_tokens(frame: pd.DataFrame, file: Path) -> None:
    if frame.empty:
        raise DataError(f"{shown(file)}: the table has no scenes", "finish its evaluation first")
    twice = frame.loc[frame[TOKEN].duplicated(), TOKEN]
    if len(twice):
        raise DataError(
            f"{shown(file)}: {len(twice)} tokens appear more than once, first {twice.iloc[0]}",
            "keep one row a scene, for example one candidate of each",
        )


def _protocol(
    columns: Sequence[str], recorded: str | None, asked: str | None, file: Path
) -> tuple[Protocol, str]:
    ours = {rules.name: set(rules.official) for rules in protocols()}
    alone = {n: own - set().union(*(ours[m] for m in ours if m != n)) for n, own in ours.items()}
    fitting = [name for name, own in alone.items() if own.intersection(columns)]
    seen = fitting[0] if len(fitting) == 1 else None
    seen = DRIVE.name if MP.name in columns else seen
    answers = {"metadata": recorded, "columns": seen, "protocol=": asked}
    given = {source: name for source, name in answers.items() if name}
    if len(set(given.values())) > 1:
        both = ", ".join(f"{source} {name}" for source, name in given.items())
        raise ConfigError(f"{shown(file)}: contradictory protocols ({both})", "fix the table")
    if not given:
        raise ConfigError(
            f"{shown(file)}: its columns ({', '.join(columns)}) fit no single protocol",
            f"say protocol={' | '.join(PROTOCOL_NAMES)}",
        )
    source, name = next(iter(given.items()))
    if name not in TABLE_PROTOCOLS:
        raise ConfigError(
            f"{shown(file)}: protocol {name} is unknown here",
            f"known: {', '.join(TABLE_PROTOCOLS)}",
        )
    return rules_of(name), source


def _scores(frame: pd.DataFrame, protocol: Protocol, file: Path, notes: list[str]) -> pd.DataFrame:
    metrics = [name for name in protocol.metrics if name in frame]
    try:
        scores = frame[metrics].apply(pd.to_numeric).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{shown(file)}: a metric is not a number ({error})") from error
    if SCORE not in scores:
        missing = [name for name in protocol.required if name not in scores]
        if missing:
            raise DataError(
                f"{shown(file)}: neither a column `score` nor all of its parts "
                f"(no {', '.join(missing)})",
                f"name the columns as NAVSIM does: {', '.join(protocol.metrics)}",
            )
        scores[SCORE] = protocol.score({name: scores[name].to_numpy() for name in scores})
        notes.append("no column `score`: computed from the metrics")
    if VALID in frame:
        valid = frame[VALID].astype(str).str.lower().isin(("true", "1", "1.0"))
        scores[~valid] = np.nan
    return scores


def _logs(frame: pd.DataFrame, file: Path) -> pd.Series | None:
    """Log names from the table, else from the run's own record of its scenes."""
    if LOG in frame:
        return frame.set_index(TOKEN)[LOG]
    record = file.parent / "inference.parquet"
    if not record.is_file():
        return None
    known = open_table(record).read([TOKEN, LOG]).set_index(TOKEN)[LOG]
    return known.reindex(pd.Index(frame[TOKEN]))


def _label(file: Path) -> str:
    return shown(file.parent.name if file.stem == "pdm_scores" else file.stem)

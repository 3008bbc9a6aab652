"""Looking metrics and protocols up by name, and adding a metric from outside.

A metric that is added is reported: it stands after the official columns, is explained and drawn,
and changes no score. Processes that `core.workers` starts register it too.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.extending.plugins import load_plugins
from reworld_agent.core.vocabulary import BOTH, PROTOCOL_CHOICES, PROTOCOL_NAMES, TABLE_PROTOCOLS
from reworld_agent.core.workers import at_start
from reworld_agent.pdm.metrics.definition.metric import Metric
from reworld_agent.pdm.metrics.definition.protocol import SCORE, Protocol
from reworld_agent.pdm.metrics.table import OFFICIAL, OFFICIAL_PROTOCOLS, TOTAL

_METRICS = {metric.name: metric for metric in OFFICIAL}
_PROTOCOLS = {protocol.name: protocol for protocol in OFFICIAL_PROTOCOLS}


def protocol(name: str) -> Protocol:
    """A protocol, with the metrics that were added to it; raises ConfigError."""
    load_plugins("metric")
    if name not in _PROTOCOLS:
        known = " | ".join(PROTOCOL_CHOICES)
        raise ConfigError(f"protocol={name} is unknown", f"use protocol={known}")
    return _PROTOCOLS[name]


def check_protocol(name: str) -> None:
    """Raise ConfigError where there is no protocol of this name; `both` is one."""
    if name != BOTH:
        protocol(name)


def protocols() -> tuple[Protocol, ...]:
    """All protocols that score a plan."""
    return tuple(protocol(name) for name in PROTOCOL_NAMES)


def table_protocols() -> tuple[Protocol, ...]:
    """All protocols that a table may have: those of plans, and that of closed loops."""
    return tuple(protocol(name) for name in TABLE_PROTOCOLS)


def metric(name: str) -> Metric:
    """The row of a metric, or of the score, by its column; raises ConfigError."""
    load_plugins("metric")
    if name == SCORE:
        return TOTAL
    if name not in _METRICS:
        raise ConfigError(f"metric {name} is unknown", f"known: {', '.join(_METRICS)}")
    return _METRICS[name]


def metric_called(short: str) -> Metric:
    """The row of a metric by its short name; raises ConfigError."""
    for row in metrics():
        if row.short == short:
            return row
    raise ConfigError(
        f"metric {short} is unknown", f"known: {', '.join(row.short for row in metrics())}"
    )


def metrics() -> tuple[Metric, ...]:
    """All metrics, the official ones first."""
    load_plugins("metric")
    return tuple(_METRICS.values())


def short_name(column: str) -> str:
    """Short name of a metric's column; `score` for the score."""
    return metric(column).short


def columns(name: str) -> tuple[str, ...]:
    """Columns of the metrics and the score in rows of a protocol, which may be `both`."""
    if name != BOTH:
        return protocol(name).columns
    return tuple(f"{one.name}_{column}" for one in protocols() for column in one.columns)


def score_columns(name: str) -> tuple[str, ...]:
    """Columns of the scores in rows of a protocol, which may be `both`."""
    return tuple(f"{one}_{SCORE}" for one in PROTOCOL_NAMES) if name == BOTH else (SCORE,)


def aliases() -> Iterator[tuple[str, str]]:
    """(name in other people's tables, in lower case; column) of all metrics and the score."""
    for row in (*metrics(), TOTAL):
        for alias in (row.short.lower(), *row.aliases):
            yield alias, row.name


def added() -> tuple[Metric, ...]:
    """Metrics that were added from outside."""
    load_plugins("metric")
    return tuple(row for row in _METRICS.values() if row.measure is not None)


def added_digest() -> str:
    """Text that changes with the added metrics and their modules' code; empty without any."""
    digest = hashlib.sha256()
    for row in added():
        file = getattr(sys.modules.get(_module(row)), "__file__", None)
        digest.update(row.name.encode() + (Path(file).read_bytes() if file else b""))
    return f"|{digest.hexdigest()[:16]}" if added() else ""


def register(new: Metric, to: Sequence[str] = PROTOCOL_NAMES) -> Metric:
    """Add a metric of one's own to the tables of some protocols, in this process and its workers.

    Args:
        new: with `measure`; functions in it must be those of a module.
        to: names of the protocols.

    Returns:
        The metric. One of the same name and module is replaced; the same one changes nothing.

    Raises:
        ConfigError: no `measure`, a malformed name, or a name that another metric has.
    """
    _check(new)
    for name in to:
        protocol(name)
    if _METRICS.get(new.name) != new:
        at_start(register, new, tuple(to))
    _METRICS[new.name] = new
    for name in to:
        before = _PROTOCOLS[name]
        if new.name in before.added:
            continue
        explained = before.explained
        if new.explainer is not None:
            explained = (*explained, new.name)
        _PROTOCOLS[name] = replace(before, added=(*before.added, new.name), explained=explained)
    return new


def _check(new: Metric) -> None:
    """Raise ConfigError where a metric cannot be added."""
    if new.measure is None:
        raise ConfigError(f"metric {new.name} has no measure", "say how it is computed")
    for text in (new.name, new.short):
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", text):
            raise ConfigError(
                f"{text!r} is no name of a metric", "use letters, digits, _ and -, a letter first"
            )
    own = {new.name.lower(), new.short.lower(), *new.aliases}
    for row in (*_METRICS.values(), TOTAL):
        if row.name == new.name and _module(row) == _module(new):
            continue
        taken = own & {row.name.lower(), row.short.lower(), *row.aliases}
        if taken:
            raise ConfigError(
                f"metric {new.name}: the name {min(taken)} is that of {row.name}",
                "choose another one",
            )


def _module(row: Metric) -> str:
    """Where a metric's `measure` is written; empty for NAVSIM's."""
    return row.measure.__module__ if row.measure is not None else ""

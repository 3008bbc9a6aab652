"""Columns of metrics that were added from outside: they stand after the official ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reworld_agent.core.errors import ConfigError, ReWorldError
from reworld_agent.pdm.metrics.definition.metric import Measurement, Metric, Rollouts
from reworld_agent.pdm.metrics.definition.protocol import Protocol
from reworld_agent.pdm.metrics.records import Records
from reworld_agent.pdm.metrics.registry import metric


def added_columns(protocol: Protocol, rollouts: Rollouts, explain: bool) -> Records:
    """Values [N] of the added metrics of a protocol, with `explain` also their failure records.

    Raises:
        ReWorldError: a metric fails, or gives no number for each candidate.
    """
    found: Records = {}
    for name in protocol.added:
        values, records = _measured(metric(name), rollouts)
        found[name] = values
        if explain:
            found |= {f"{name}_{key}": np.asarray(column) for key, column in records.items()}
    return found


def _measured(row: Metric, rollouts: Rollouts) -> Measurement:
    assert row.measure is not None
    n = len(rollouts.states)
    try:
        values, records = row.measure(rollouts)
        values = np.asarray(values, np.float64)
    except Exception as error:
        raise ReWorldError(
            f"metric {row.name}, added from outside, fails: {error!r}",
            f"fix {row.measure.__module__}, or do not register it",
        ) from error
    lengths = {key: np.shape(column) for key, column in {"": values, **records}.items()}
    wrong = next((key for key, shape in lengths.items() if shape != (n,)), None)
    if wrong is not None:
        what = f"record {wrong}" if wrong else "values"
        raise ReWorldError(
            f"metric {row.name}: {what} of shape {lengths[wrong]} for {n} candidates",
            f"fix {row.measure.__module__}: one number for each candidate",
        )
    return Measurement(values, records)


def joined(parts: Sequence[Records]) -> Records:
    """Columns of all candidates from those of some at a time; none from nothing."""
    return {
        name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())
    }


def beside(official: Records, added: Records) -> Records:
    """The added columns behind the official ones; raises ConfigError where one would hide one."""
    both = official.keys() & added.keys()
    if both:
        raise ConfigError(
            f"the column {min(both)} of an added metric is one of NAVSIM's", "choose another name"
        )
    return official | added

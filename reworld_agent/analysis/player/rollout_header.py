"""The header of a rollout as other tools may write it: its fields by their types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from reworld_agent.core.records import Mistyped
from reworld_agent.core.records.typed import build_dataclass


@dataclass(frozen=True)
class _Failed:
    """See `rollouts.Rollout`."""

    step: int
    sentence: str
    text: str = ""
    track: str | None = None
    point: list[float] | None = None
    aheadSteps: int = 0
    aheadM: float = 0.0


@dataclass(frozen=True)
class _Metric:
    """See `rollouts.Rollout`."""

    short: str
    title: str
    value: float | None = None
    what: str = ""
    unit: str = ""
    bound: float | None = None
    above: bool = False
    failed: _Failed | None = None


@dataclass(frozen=True)
class _Header:
    """See `rollouts.Rollout`."""

    label: str
    dt: float
    score: float | None = None
    metrics: list[_Metric] = field(default_factory=list)


def header_fault(header: Any) -> str:
    """What is wrong with a header, in words; "" where nothing is. Fields of others are left."""
    try:
        own = _known(_Header, header)
        own["metrics"] = [_metric(one) for one in own.get("metrics", ())]
        found = build_dataclass(_Header, own, "header")
    except Mistyped as error:
        return f"{error.message}: {error.hint}"
    except TypeError:
        return "its header has metrics that are no tables"
    if not 0.0 < found.dt < 60.0:
        return f"header.dt = {found.dt:g} s"
    points = [one.failed.point for one in found.metrics if one.failed is not None]
    if any(point is not None and len(point) != 2 for point in points):
        return "header: the point of a failure is not [x, y]"
    return ""


def _metric(values: Any) -> dict[str, Any]:
    own = _known(_Metric, values)
    failed = own.get("failed")
    return own if failed is None else {**own, "failed": _known(_Failed, failed)}


def _known(kind: type[Any], values: Any) -> dict[str, Any]:
    """The fields of a table that a class has."""
    if not isinstance(values, Mapping):
        raise TypeError("no table")
    names = {one.name for one in fields(kind)}
    return {key: value for key, value in values.items() if key in names}

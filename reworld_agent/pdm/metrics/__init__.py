"""Metrics of PDMS and EPDMS, one file each, the one table of them, and the registry of others."""

from reworld_agent.pdm.metrics.definition.explainer import Explainer, Failure, FailureAnnotation
from reworld_agent.pdm.metrics.definition.metric import Look, Measurement, Metric, Rollouts
from reworld_agent.pdm.metrics.definition.protocol import SCORE, Protocol
from reworld_agent.pdm.metrics.registry import (
    BOTH,
    PROTOCOL_CHOICES,
    PROTOCOL_NAMES,
    added,
    added_digest,
    aliases,
    check_protocol,
    columns,
    metric,
    metric_called,
    metrics,
    protocol,
    protocols,
    register,
    score_columns,
    short_name,
)

__all__ = [
    "BOTH",
    "PROTOCOL_CHOICES",
    "PROTOCOL_NAMES",
    "SCORE",
    "Explainer",
    "Failure",
    "FailureAnnotation",
    "Look",
    "Measurement",
    "Metric",
    "Protocol",
    "Rollouts",
    "added",
    "added_digest",
    "aliases",
    "check_protocol",
    "columns",
    "metric",
    "metric_called",
    "metrics",
    "protocol",
    "protocols",
    "register",
    "score_columns",
    "short_name",
]

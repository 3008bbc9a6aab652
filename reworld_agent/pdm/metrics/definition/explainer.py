"""How a failure of a metric is explained: its attributes, its sentence, its place in a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.scene_cache import SceneCache

EARLIER, BRAKE, SHIFT, SPEED, SMOOTH = "brake earlier", "brake", "shift", "speed", "smooth"
"""Kinds of small changes of a plan that are tried to find out what would have helped."""


class Failure(NamedTuple):
    """One plan that fails a metric.

    Attributes:
        metric: column of the metric.
        cache: the scene.
        states: [41, 11] simulated states of the plan, global.
        scored: the plan's columns and failure records, as `pdm.score(..., explain=True)` has them.
    """

    metric: str
    cache: SceneCache
    states: NDArray[np.float64]
    scored: Mapping[str, Any]

    def record(self, name: str) -> Any:
        """The failure record `<metric>_<name>`."""
        return self.scored[f"{self.metric}_{name}"]


@dataclass(frozen=True)
class FailureAnnotation:
    """A failure in a picture.

    Attributes:
        metric: short name.
        step: instant in steps of 0.1 s.
        text: what is written at the object or corner; "" for nothing.
        track: number of the object in the scene cache, or None.
        ahead_steps: how much later (0.1 s) the projected ego meets the object (TTC).
        ahead_m: how far the projected ego has driven on until then (TTC).
        point: [2] corner that left the road, ego frame (m), or None.
    """

    metric: str
    step: int
    text: str = ""
    track: int | None = None
    ahead_steps: int = 0
    ahead_m: float = 0.0
    point: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Explainer:
    """How failures of one metric are explained; all functions are of a module, to be pickled.

    Attributes:
        attributes: what happened: any of failure_time_s, detail, near, object_token, object_class,
            closing_mps, distance_outside_m, excess, mechanism (the kind of situation).
        sentence: the middle of the sentence, from a row of `analysis.explain` (its attributes,
            `value`, `progress_m`, `pdm_closed_progress_m`).
        changes: kinds of changes that may help, the most apt first.
        annotate: what of the failure is drawn: (annotation with metric and step, cache, states
            [41, 11], row) → annotation; None draws the instant alone.
    """

    attributes: Callable[[Failure], dict[str, Any]]
    sentence: Callable[[Mapping[str, Any]], str]
    changes: tuple[str, ...] = (SPEED, SHIFT, EARLIER, BRAKE, SMOOTH)
    annotate: (
        Callable[
            [FailureAnnotation, SceneCache, NDArray[np.float64], Mapping[str, Any]],
            FailureAnnotation,
        ]
        | None
    ) = None

"""What a metric is, how it is computed from outside, and how its failures are explained.

NAVSIM's are rows of the table in `table`; others are added by `registry.register`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.metrics.raw_columns import Raw
from reworld_agent.pdm.metrics.records import Names, Records
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.world.scenery import Scenery

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
class Trace:
    """What decides a metric, over the 4 s of one plan.

    Attributes:
        values: [41] at 0.0 … 4.0 s; NaN where there is none.
        what: of what, in words.
        unit: of the values.
        bound: the metric is lost beyond it; NaN where there is none.
        fails_above: whether beyond means above.
        reference: [41] the same of PDM-Closed, where the metric compares with it.
    """

    values: NDArray[np.float64]
    what: str
    unit: str
    bound: float = np.nan
    fails_above: bool = False
    reference: NDArray[np.float64] | None = None


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
        trace: what decides the metric, over time: (cache, states [41, 11]) → trace.
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
    trace: Callable[[SceneCache, NDArray[np.float64]], Trace] | None = None


class Rollouts(NamedTuple):
    """What a metric added from outside is computed from.

    Attributes:
        cache: the scene.
        states: [N, 41, 11] simulated states of N candidates at t0 + 0.0 … 4.0 s, global frame, rear
            axle; columns as in `simulate.bicycle` (X, Y [m], HEADING [rad], VX [m/s] …).
        scenery: map, centreline and the traffic that the candidates met, in coordinates
            local = global − `scenery.origin`; `scenery.traffic.pose` [T, S, 4] is x, y [m], cos,
            sin of each box at the same times (NaN: absent), `traffic.traits` [T, 4] starts with
            half its length and half its width [m].
    """

    cache: SceneCache
    states: NDArray[np.float64]
    scenery: Scenery


class Measurement(NamedTuple):
    """What a metric added from outside says of N candidates.

    Attributes:
        values: [N] float64; more is better.
        records: of failures, [N] each, by names such as `failure_time_s` (they become columns
            `<metric>_<name>` where scores are explained).
    """

    values: NDArray[np.float64]
    records: Mapping[str, NDArray[np.generic]] = {}


@dataclass(frozen=True)
class Look:
    """How bars and labels of a metric are told apart: in colour, in print, and on a page.

    Attributes:
        colour: of bars.
        hatch: of matplotlib's bars, for grey printers.
        stripe: second colour of the page's bars, "" for plain ones; and their angle [deg].
        label: background of the page's labels; "" takes `colour`.
        white: whether labels are written in white.
    """

    colour: str = "#8c8c8c"
    hatch: str = "**"
    stripe: str = ""
    angle: int = 45
    label: str = ""
    white: bool = False


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: its column in tables.
        short: its name in printed tables, sentences and settings; letters, digits, `_`, `-`.
        title: in words.
        heading: of its column in printed summaries; "" for `short`.
        raw: raw column of its value, by protocol where they differ; "" where it is computed from
            other columns (EP, EC) or by `measure`.
        allowed: the only values it takes; empty: any number from `low` to `high`.
        low, high: see `allowed`.
        unit: of its values; "" for a fraction, which is shown in percent.
        bound: a plan whose value is below loses the metric.
        aliases: its names in tables of other people, besides `short`, in lower case.
        records: failure records, from raw columns; they become columns `<metric>_<name>`.
        measure: computes it from rollouts: only of metrics added from outside.
        explainer: how its failures are explained; None: they are not.
        safety: a plan that loses it is dangerous: no change of a plan that loses it is proposed.
        two_frames: compares the plans of two frames: absent or NaN where there is one.
        human_known: False where nobody knows whether the logged driver loses it.
        least_mean: a mean below is no driver's and no planner's: the evaluation is broken.
        look: colours.
    """

    name: str
    short: str
    title: str
    heading: str = ""
    raw: str | Mapping[str, str] = ""
    allowed: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 1.0
    unit: str = ""
    bound: float = 1.0
    aliases: tuple[str, ...] = ()
    records: Callable[[Raw, Names], Records] | None = None
    measure: Callable[[Rollouts], Measurement] | None = None
    explainer: Explainer | None = None
    safety: bool = False
    two_frames: bool = False
    human_known: bool = True
    least_mean: float = 0.0
    look: Look = Look()

    def raw_column(self, protocol: str) -> str:
        """Name of its raw column in a protocol, "" for none."""
        return self.raw if isinstance(self.raw, str) else self.raw[protocol]

"""What a metric is: a row of the table in `table`, or one added from outside by `register`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reworld_agent.pdm.metrics.definition.explainer import Explainer
from reworld_agent.pdm.metrics.raw_columns import Raw
from reworld_agent.pdm.metrics.records import Names, Records
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.world.scenery import Scenery


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

"""The towns by name: their place on a map of nuPlan, their size, and what makes them differ.

Version 5 has one town a city, which the city names. Version 6 has several towns a city, kilometres
apart on one map: `TOWNS6`, named by their character and by the split they belong to.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class TownStyle:
    """How a town is laid out and built; the defaults are version 5's.

    Attributes:
        warp: how the grid is bent: "" (not at all), "waves", "fan" or "skew".
        lanes: lanes in each direction of the inner rows and columns, in turn.
        slow, fast: speeds (m/s) to choose from on streets of one lane, and of more.
        drops: streets left out, which makes T-junctions.
        lit: share of the inner junctions with traffic lights.
        roundabouts: how many of the unlit junctions become one, at most.
        parked: share of the parking bays that are taken.
        tall: share of parked cars that are vans, which hide who stands behind them.
        heights: of houses (m); setbacks: from the pavement (m).
        green: of what stands along the pavements, the share that are trees.
        palette: colours of ground and walls, an index.
    """

    warp: str = ""
    lanes: tuple[int, ...] = (2, 1)
    slow: tuple[float, ...] = (8.5, 9.5, 10.5)
    fast: float = 11.5
    drops: int = 0
    lit: float = 1.0
    roundabouts: int = 0
    parked: float = 0.6
    tall: float = 0.3
    heights: tuple[float, ...] = (6.5, 9.5, 12.5, 16.0, 22.0)
    setbacks: tuple[float, ...] = (0.0, 1.5, 4.0)
    green: float = 0.55
    palette: int = 0


@dataclass(frozen=True)
class TownPlan:
    """What makes one town differ from another."""

    city: str  # a map name of nuPlan
    version: str
    epsg: int
    origin: tuple[float, float]  # UTM coordinates of the local origin (m)
    columns: int
    rows: int
    seed: int
    name: str = ""  # the city where it has only this town
    style: TownStyle = TownStyle()
    first_id: int = 1  # of the ids of its map elements, which are unique in a city

    @property
    def key(self) -> str:
        """The name that the town is known by."""
        return self.name or self.city


_CITIES = (
    TownPlan("us-ma-boston", "9.12.1817", 32619, (329900.0, 4690000.0), 5, 5, 11),
    TownPlan("us-pa-pittsburgh-hazelwood", "9.17.1937", 32617, (587600.0, 4475100.0), 4, 4, 23),
    TownPlan("us-nv-las-vegas-strip", "9.15.1915", 32611, (664400.0, 3997600.0), 4, 4, 37),
    TownPlan("sg-one-north", "9.17.1964", 32648, (365000.0, 143700.0), 3, 3, 41),
)
PLANS = {plan.city: plan for plan in _CITIES}  # version 5
_APART = 3000.0  # m between the towns of a city
_IDS = 1_000_000  # ids of a town


def _town(name: str, city: str, place: int, size: tuple[int, int], style: TownStyle) -> TownPlan:
    """The town number `place` of a city, its seed from its name."""
    plan = PLANS[city]
    return replace(
        plan,
        origin=(plan.origin[0] + place * _APART, plan.origin[1]),
        columns=size[0],
        rows=size[1],
        seed=int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big"),
        name=name,
        style=style,
        first_id=1 + place * _IDS,
    )


_BOSTON, _PITTSBURGH, _VEGAS, _SINGAPORE = (plan.city for plan in _CITIES)
_LOW, _MIDDLE, _HIGH = (4.5, 6.5, 9.5), (9.5, 12.5, 16.0), (16.0, 22.0, 30.0)
TOWNS6 = {
    plan.key: plan
    for plan in (
        _town("train-grid", _BOSTON, 0, (5, 5), TownStyle(drops=3, lit=0.8)),
        _town(
            "train-waves",
            _BOSTON,
            1,
            (5, 4),
            TownStyle("waves", (1, 2), drops=3, lit=0.5, roundabouts=2, heights=_LOW, palette=1),
        ),
        _town(
            "train-fan",
            _BOSTON,
            2,
            (5, 4),
            TownStyle("fan", (2, 1), lit=0.8, parked=0.8, heights=_MIDDLE, green=0.7, palette=2),
        ),
        _town(
            "train-avenues",
            _SINGAPORE,
            0,
            (4, 4),
            TownStyle("", (3, 2), fast=13.0, parked=0.35, heights=_HIGH, green=0.3, palette=3),
        ),
        _town(
            "train-skew",
            _SINGAPORE,
            1,
            (5, 4),
            TownStyle("skew", (2, 1), drops=2, lit=0.6, roundabouts=1, palette=4),
        ),
        _town(
            "train-suburb",
            _SINGAPORE,
            2,
            (5, 5),
            TownStyle(
                "waves",
                (1,),
                drops=5,
                lit=0.35,
                roundabouts=3,
                parked=0.45,
                heights=_LOW,
                setbacks=(4.0, 7.0),
                green=0.8,
                palette=5,
            ),
        ),
        _town(
            "val-waves",
            _PITTSBURGH,
            0,
            (5, 4),
            TownStyle("waves", (2, 1), drops=2, lit=0.6, roundabouts=1, palette=3),
        ),
        _town(
            "val-grid",
            _PITTSBURGH,
            1,
            (4, 5),
            TownStyle("", (1, 2), drops=3, lit=0.8, parked=0.75, heights=_MIDDLE, palette=5),
        ),
        _town(
            "test-fan",
            _VEGAS,
            0,
            (5, 4),
            TownStyle("fan", (1, 2), drops=2, lit=0.7, roundabouts=1, palette=1),
        ),
        _town(
            "test-skew",
            _VEGAS,
            1,
            (5, 4),
            TownStyle("skew", (2, 1), drops=3, lit=0.7, roundabouts=1, parked=0.7, palette=2),
        ),
        _town(
            "evidence-waves",
            _VEGAS,
            2,
            (5, 4),
            TownStyle("waves", (2, 1), drops=3, lit=0.7, roundabouts=1, palette=0),
        ),
        _town(
            "evidence-grid",
            _VEGAS,
            3,
            (5, 4),
            TownStyle("", (2, 3), drops=3, lit=0.8, parked=0.7, heights=_MIDDLE, palette=4),
        ),
        _town(
            "evidence-fan",
            _PITTSBURGH,
            2,
            (5, 4),
            TownStyle("fan", (2, 1), lit=0.7, roundabouts=1, heights=_LOW, green=0.7, palette=5),
        ),
        _town(
            "evidence-skew",
            _PITTSBURGH,
            3,
            (5, 4),
            TownStyle("skew", (1, 2), drops=2, lit=0.6, roundabouts=1, parked=0.4, palette=3),
        ),
    )
}
TOWNS = {**PLANS, **TOWNS6}
VERSIONS = {"5": tuple(PLANS.values()), "6": tuple(TOWNS6.values())}

"""The metrics and scores of one driven scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reworld_agent.closed_loop.contacts import OFF_MAP
from reworld_agent.closed_loop.judging.red_lights import entered_on_red
from reworld_agent.closed_loop.judging.scene_score import LEAST_WAY, scene_score
from reworld_agent.closed_loop.judging.windows import Window, windows
from reworld_agent.closed_loop.kinds import HISTORY
from reworld_agent.closed_loop.scenarios import Scenario
from reworld_agent.closed_loop.world import World, maps_root
from reworld_agent.core.errors import SceneError
from reworld_agent.pdm.compiling import ensure_compiled
from reworld_agent.pdm.metrics import SCORE
from reworld_agent.pdm.metrics.table import COMFORT, DAC, DDC, DRIVE, EP, MP, NC, TLC, TTC
from reworld_agent.scenes.maps.city import open_city_map
from reworld_agent.scenes.synthetic.actors.traffic import STEP, Traffic

LEAST_PROGRESS = 0.2  # share of the recorded way below which all is lost (nuPlan's)
_WORST = (NC.name, DAC.name, DDC.name, TTC.name, COMFORT.name)  # the worst window decides


@dataclass(frozen=True)
class Verdict:
    """What came of a scenario.

    Attributes:
        values: the metrics of `pdm.metrics.table.DRIVE` and its score, by column.
        more: further columns: way driven and recorded (m), route completion, AlpaSim's score, how
            long it was driven (s).
        windows: all windows of 4 s.
        red: tick and connector of the first light that was run; None for none.
        fault: why the windows end early; "" where they do not.
    """

    values: dict[str, float]
    more: dict[str, float]
    windows: tuple[Window, ...]
    red: tuple[int, str] | None
    fault: str = ""


def judge(world: World) -> Verdict:
    """Judge what has been driven of a scenario up to now."""
    ensure_compiled()
    stage, fault = world.stage, ""
    city = open_city_map(maps_root(), world.drive.net.plan.city)
    judged: list[Window] = []
    try:
        for window in windows(stage, world.surroundings, city):
            judged.append(window)
    except SceneError as error:
        fault = error.message
    values = dict.fromkeys(DRIVE.official, 1.0)
    for window in judged:
        found = DRIVE.values(window.raw)
        values |= {name: min(values[name], float(found[name][0])) for name in _WORST}
    if fault or world.reason == OFF_MAP:
        values[DAC.name] = 0.0
    red = entered_on_red(stage)
    values[TLC.name] = 0.0 if red else 1.0
    way = max(stage.now.s - stage.ticks[0].s, 0.0)
    recorded = recorded_way(world.scenario)
    values |= progress(way, recorded)
    values[SCORE] = drive_score(values)
    share = values[EP.name]
    alpasim = scene_score([share], [recorded], [values[NC.name] < 1.0], [values[DAC.name] < 1.0])
    more = {
        "alpasim_score": float(alpasim[0]),
        "route_completion": share,
        "progress_m": way,
        "recorded_m": recorded,
        "end_time_s": world.time,
    }
    return Verdict(values, more, tuple(judged), red, fault)


def progress(way: float, recorded: float) -> dict[str, float]:
    """EP and MP of a way driven (m) where the recorded driver came `recorded` m."""
    share = min(way / recorded, 1.0) if recorded >= LEAST_WAY else 1.0
    return {EP.name: share, MP.name: float(share >= LEAST_PROGRESS)}


def drive_score(values: Mapping[str, float]) -> float:
    """The drive score of the metrics of one scenario, by column."""
    arrays = {name: np.array([values[name]]) for name in DRIVE.official}
    return float(DRIVE.score(arrays)[0])


@lru_cache(maxsize=256)
def recorded_way(scenario: Scenario) -> float:
    """Metres that the recorded driver covers in a scenario."""
    drive = scenario.drive()
    first, last = (round(time / STEP) for time in (HISTORY, HISTORY + scenario.seconds))
    s: NDArray[np.float64] = drive.record.s[:, 0]
    if last >= len(s):
        actors, walkers = drive.scenario.actors, drive.scenario.walkers
        again = Traffic(drive.net, drive.signals, actors, walkers)
        s = again.run(HISTORY + scenario.seconds).s[:, 0]
    return float(s[last] - s[first])

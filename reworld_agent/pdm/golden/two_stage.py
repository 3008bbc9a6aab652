"""Two stages of plans in the golden scene: what a process asks before it puts stages together."""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas as pd

from reworld_agent.pdm.golden.log_replay import log_replay_scores, require_golden
from reworld_agent.pdm.golden.shipped import (
    deviation,
    expected,
    golden_cache,
    plans,
    refuse_deviation,
)
from reworld_agent.pdm.metrics.table import EPDMS_V2
from reworld_agent.pdm.protocols.aggregate import (
    COLUMNS,
    METRICS,
    Group,
    plan_geometry,
    two_stages,
)

_GROUP = Group("now", "before", (("now a", "before a"), ("now b", "before b")))
# Token, plan, seconds before the scene's own time, and metres that a synthetic frame starts from
# where the plan of its original frame ends.
_FRAMES = (
    ("now", 0, 0.0, 0.0),
    ("before", 3, 0.5, 0.0),
    ("now a", 1, 0.0, 0.3),
    ("before a", 3, 0.5, 0.1),
    ("now b", 4, 0.0, 0.5),
    ("before b", 0, 0.5, 0.4),
)


def two_stage_scores() -> dict[str, Any]:
    """Summary of two stages by row, and the weights of the frames."""
    scene, metrics = golden_cache(), log_replay_scores()
    known = [
        plan_geometry(scene, plan[None])
        | {metric: metrics[f"{EPDMS_V2.name}_{metric}"][number] for metric in METRICS}
        for number, plan in enumerate(plans())
    ]
    first = {token: known[plan] for token, plan, *_ in _FRAMES}
    rows = [
        {
            **known[plan],
            "token": token,
            "start_time_s": 1.0 - before_s,
            "start_point_x": first[token.split()[0]]["endpoint_x"] + off,
            "start_point_y": first[token.split()[0]]["endpoint_y"],
        }
        for token, plan, before_s, off in _FRAMES
    ]
    found = two_stages(pd.DataFrame(rows), [_GROUP])
    summary = {name: found.summary.loc[name, list(COLUMNS)] for name in found.summary.index}
    return {**summary, "weights": found.frames["weight"]}


@cache
def require_two_stage() -> None:
    """Raise ReWorldError where this process would put stages together wrongly; asked once."""
    require_golden()
    apart = deviation(two_stage_scores(), expected()["two_stage"])
    refuse_deviation("the golden scene's two stages differ", apart)

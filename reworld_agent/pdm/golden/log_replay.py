"""The golden scene in both protocols with the logged traffic: what every scoring process asks."""

from __future__ import annotations

from functools import cache
from typing import Any

from reworld_agent.pdm.golden.constants import require_constants
from reworld_agent.pdm.golden.routines import require_routines
from reworld_agent.pdm.golden.shipped import (
    deviation,
    expected,
    golden_cache,
    plans,
    refuse_deviation,
)
from reworld_agent.pdm.metrics.table import EPDMS_V2, PDMS_V1
from reworld_agent.pdm.protocols.scored_scene import ScoredScene
from reworld_agent.pdm.simulate.rollout import rollout


def log_replay_scores() -> dict[str, Any]:
    """Columns of the golden plans, each named by its protocol; no metric from outside is asked."""
    scene = ScoredScene(golden_cache())
    states = rollout(scene.cache, plans())
    return {
        f"{name}_{column}": values
        for name in (PDMS_V1.name, EPDMS_V2.name)
        for view in (scene.seen_by(name),)
        for column, values in view.columns(view.evaluate(states, False), None).items()
    }


def golden_deviation() -> float:
    """Largest difference between the golden scene's scores here and as shipped."""
    return deviation(log_replay_scores(), expected()["scores"])


@cache
def require_golden() -> None:
    """Raise ReWorldError where this process would score wrongly; asked once, then known.

    The routines come first: with a wrong one the kernels are not even compiled.
    """
    require_routines()
    require_constants()
    refuse_deviation("the golden scene's scores differ", golden_deviation())

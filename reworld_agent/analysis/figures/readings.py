"""Under a moving picture: what its lines and colours mean, what decides each metric just now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from reworld_agent.analysis.figures import style
from reworld_agent.pdm.metrics import metric
from reworld_agent.pdm.metrics import protocol as rules_of
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.bicycle import VX, VY

CLASSES = ("vehicle", "pedestrian", "bicycle", "other object")


def class_handles(types: NDArray[np.int8]) -> list[Patch]:
    """Legend entries of the classes of objects among these types."""
    kinds = {CLASSES[min(kind, 3)]: style.TRACK_COLOURS[kind] for kind in sorted(types.tolist())}
    look: dict[str, Any] = {"edgecolor": style.INK, "linewidth": 0.5}
    return [Patch(facecolor=colour, label=name, **look) for name, colour in kinds.items()]


def draw_legend(figure: Figure, cache: SceneCache, names: Mapping[str, str], foot: float) -> None:
    """One row at the foot of the figure: the drivers, and the classes of the scene's objects.

    Args:
        figure: where.
        cache: the scene.
        names: what is said of each driver (`bev.names_of`).
        foot: height of its lower edge, a share of the figure.
    """
    who = [Line2D([], [], label=said, **style.WHO[name]) for name, said in names.items()]
    look: dict[str, Any] = {"handlelength": 1.8, "columnspacing": 1.2, "frameon": False}
    figure.legend(
        handles=[*who, *class_handles(cache.track_type)],
        loc="lower left",
        bbox_to_anchor=(0.0, foot),
        ncols=8,
        fontsize=style.SMALL - 1,
        **look,
    )


def readings(cache: SceneCache, states: NDArray[np.float64], protocol: str) -> list[str]:
    """One line for each of the 41 steps: speed, and the value that decides each metric."""
    columns = [("speed", np.hypot(states[:, VX], states[:, VY]), "m/s", np.nan, False)]
    for row in (metric(name) for name in rules_of(protocol).explained):
        if row.explainer is not None and row.explainer.trace is not None:
            trace = row.explainer.trace(cache, states)
            columns.append((row.short, trace.values, trace.unit, trace.bound, trace.fails_above))
    return [
        "  ".join(
            reading(name, float(values[step]), unit, bound, above)
            for name, values, unit, bound, above in columns
        )
        for step in range(41)
    ]


def reading(name: str, value: float, unit: str, bound: float, above: bool) -> str:
    """A value with its unit; `!` where it is beyond its bound."""
    if not np.isfinite(value):
        return f"{name} none"
    beyond = value > bound if above else value <= bound
    return f"{name} {value:.1f} {unit}".rstrip() + (" !" if beyond else "")

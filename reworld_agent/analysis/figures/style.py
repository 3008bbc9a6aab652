"""Colours and lines of all pictures: Okabe-Ito, told apart by line style and label in print too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import matplotlib.patheffects as effects
import matplotlib.style

BLUE, GREEN, ORANGE, SKY = "#0072b2", "#009e73", "#e69f00", "#56b4e9"
VERMILLION, PURPLE, YELLOW, INK, GREY = "#d55e00", "#cc79a7", "#f0e442", "#222222", "#8c8c8c"
ROAD, LANE_EDGE, PARK = "#e6e6e6", "#b5b5b5", "#eee9f4"

PLAN, OTHER, HUMAN, REFERENCE = "plan", "other", "human", "PDM-Closed"
WHO: dict[str, dict[str, Any]] = {
    PLAN: {"color": BLUE, "linestyle": "-"},
    OTHER: {"color": "#8a3b9c", "linestyle": (0, (8, 2))},
    HUMAN: {"color": GREEN, "linestyle": (0, (5, 2))},
    REFERENCE: {"color": "#a66f00", "linestyle": (0, (1, 1.3))},
}
"""Line of each driver; PDM-Closed's orange is darkened so that its label can be read on grey."""

TRACK_COLOURS = (SKY, VERMILLION, PURPLE, *(GREY,) * 4)  # vehicle, pedestrian, bicycle, the rest
SMALL = 8.0  # points
PAPER = "reworld_agent.analysis.figures.paper"  # as matplotlib names a style of a package


def halo(width: float = 2.5) -> list[effects.AbstractPathEffect]:
    """White rim that keeps a text or line readable on anything."""
    return [effects.withStroke(linewidth=width, foreground="white")]


@contextmanager
def plain_text() -> Iterator[None]:
    """Inside, texts are written as they are; a context, and a decorator.

    Else matplotlib reads what stands between two $ as mathematics, and names of runs, scenes and
    objects may hold anything.
    """
    with matplotlib.rc_context({"text.parse_math": False}):
        yield


def paper() -> AbstractContextManager[None]:
    """Inside, charts look as in a paper: `paper.mplstyle` beside this file.

    Anybody else's figures do with `plt.style.use("reworld_agent.analysis.figures.paper")`.
    """
    context: AbstractContextManager[None] = matplotlib.style.context(PAPER)
    return context

"""Labels beside what they name, so that none covers another, a text in a corner, or much else.

A label may stand at a few distances in a few directions from its point. One after another, each
takes the place that costs least: overlap with what is taken, parts outside the axes, a leader
across another label, points that should stay visible, distance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.text import Annotation, Text
from numpy.typing import NDArray

from reworld_agent.analysis.figures import style

Array = NDArray[np.float64]
_DISTANCES = (0.0, 8.0, 18.0, 30.0, 44.0)  # points, from what stays free around a label's point
_DIRECTIONS = np.deg2rad([0, 30, -30, 60, -60, 90, -90, 120, -120, 150, -150, 180])
_GAP = 2.0  # pixels around a label that stay free
_OUTSIDE, _COVERED, _CROSSED, _POINT, _FAR = 20.0, 20.0, 3.0, 0.3, 0.02  # costs, see `_cost`


@dataclass(frozen=True)
class Label:
    """A text and the point that it names.

    Attributes:
        text: what is written.
        point: [2] in data units.
        colour: of the text and its leader.
        size: of the letters, points.
        clear: radius around the point that stays free, points.
    """

    text: str
    point: Array
    colour: str = style.INK
    size: float = style.SMALL
    clear: float = 4.0


def place(
    axes: Axes, labels: Iterable[Label], visible: Array, taken: Sequence[Artist] = ()
) -> list[Annotation]:
    """Write labels, the most important first; the axes' limits must be final.

    Args:
        axes: where.
        labels: what to write.
        visible: [n, 2] points in data units that labels should rather not cover.
        taken: artists that labels must not cover.

    Returns:
        The labels' artists, in order.
    """
    axes.apply_aspect()
    renderer = _renderer(axes)
    boxes = [np.array(artist.get_window_extent(renderer).extents) for artist in taken]
    frame = np.array(axes.get_window_extent(renderer).extents)
    pixels = axes.transData.transform(visible.reshape(-1, 2))
    figure = axes.get_figure(root=True)
    assert figure is not None
    per_point = figure.dpi / 72.0
    written = []
    for label in labels:
        text = _write(axes, label)
        low_x, low_y, high_x, high_y = Text.get_window_extent(text, renderer).extents
        half = np.array([high_x - low_x, high_y - low_y]) / 2.0
        offsets = _offsets(half, (np.array(_DISTANCES) + label.clear) * per_point)
        point = axes.transData.transform(label.point)
        cost = _cost(point, offsets, half + _GAP, frame, np.array(boxes).reshape(-1, 4), pixels)
        best = offsets[np.argmin(cost)]
        text.set_position((best[0] / per_point, best[1] / per_point))
        boxes.append(np.concatenate([point + best - half, point + best + half]))
        written.append(text)
    return written


def _renderer(axes: Axes) -> RendererAgg:
    figure = axes.get_figure(root=True)
    assert figure is not None
    canvas = figure.canvas
    if not isinstance(canvas, FigureCanvasAgg):
        canvas = FigureCanvasAgg(figure)
    return canvas.get_renderer()


def _write(axes: Axes, label: Label) -> Annotation:
    return axes.annotate(
        label.text,
        (label.point[0], label.point[1]),
        xytext=(0, 0),
        textcoords="offset points",
        ha="center",
        va="center",
        color=label.colour,
        fontsize=label.size,
        fontweight="bold",
        path_effects=style.halo(),
        arrowprops={"arrowstyle": "-", "color": label.colour, "linewidth": 0.8, "shrinkB": 0},
        zorder=10,
    )


def _offsets(half: Array, distances: Array) -> Array:
    """Places [C, 2] of a label's centre, pixels from its point; `half` [2] is its half size."""
    towards = np.stack([np.cos(_DIRECTIONS), np.sin(_DIRECTIONS)], axis=1)
    return (towards * (half + distances[:, None, None])).reshape(-1, 2)


def _cost(
    point: Array, offsets: Array, half: Array, frame: Array, boxes: Array, visible: Array
) -> Array:
    """What each place [C] costs; all in pixels, boxes [B, 4] as x0, y0, x1, y1."""
    low, high = point + offsets - half, point + offsets + half
    area = 4.0 * half[0] * half[1]
    inside = _overlap(low, high, frame[None])[:, 0] / area
    covered = _overlap(low, high, boxes).sum(axis=1) / area
    shares = np.linspace(0.0, 1.0, 12)[1:, None, None]
    leader = (point + shares * offsets).reshape(-1, 1, 2)
    within = np.all((leader > boxes[:, :2]) & (leader < boxes[:, 2:]), axis=2)
    crossed = within.any(axis=1).reshape(-1, len(offsets)).any(axis=0)
    hidden = np.all((visible > low[:, None]) & (visible < high[:, None]), axis=2).sum(axis=1)
    distance = np.hypot(*(np.abs(offsets) - half).clip(0.0).T)
    cost: Array = _OUTSIDE * (1.0 - inside) + _COVERED * covered + _CROSSED * crossed
    return cost + _POINT * hidden + _FAR * distance


def _overlap(low: Array, high: Array, boxes: Array) -> Array:
    """Areas [C, B] shared by rectangles [C, 2] to [C, 2] and boxes [B, 4]."""
    sides = np.minimum(high[:, None], boxes[:, 2:]) - np.maximum(low[:, None], boxes[:, :2])
    areas: Array = sides.clip(0.0).prod(axis=2)
    return areas

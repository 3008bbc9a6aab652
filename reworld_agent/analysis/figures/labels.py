"""Labels beside what they name, so that none covers another, a text in a corner, or much else.

A label may stand at some distances in some directions from its point, or, where all of these are
taken, anywhere in the axes. All labels are placed together: from a first choice, one after
another moves to the place that costs least beside the others, until none moves. Overlap with
another label or with what is taken and parts outside the axes cost more than everything else:
they are only left where the axes are full.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.text import Annotation, Text
from numpy.typing import NDArray

from reworld_agent.analysis.figures import style

Array = NDArray[np.float64]
_DISTANCES = (0.0, 8.0, 18.0, 30.0, 44.0, 62.0)  # points, from what stays free around the point
_DIRECTIONS = np.deg2rad([0, 30, -30, 60, -60, 90, -90, 120, -120, 150, -150, 180])
_GRID = (9, 13)  # rows and columns of places all over the axes
_GAP = 2.0  # pixels around a label that stay free
_OUTSIDE, _COVERED = 1000.0, 1000.0  # costs of the whole label, see `_cost`
_CROSSED, _POINT, _FAR, _ANYWHERE = 3.0, 0.3, 0.02, 8.0
_ROUNDS = 12  # of moves; two or three are enough


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
    boxes = np.array([artist.get_window_extent(renderer).extents for artist in taken])
    frame = np.array(axes.get_window_extent(renderer).extents)
    pixels = axes.transData.transform(visible.reshape(-1, 2))
    figure = axes.get_figure(root=True)
    assert figure is not None
    per_point = figure.dpi / 72.0
    written, choices = [], []
    for label in labels:
        text = _write(axes, label)
        low_x, low_y, high_x, high_y = Text.get_window_extent(text, renderer).extents
        half = np.array([high_x - low_x, high_y - low_y]) / 2.0
        point = axes.transData.transform(label.point)
        distances = (np.array(_DISTANCES) + label.clear) * per_point
        offsets = np.concatenate([_offsets(half, distances), _anywhere(frame, half) - point])
        cost = _cost(point, offsets, half + _GAP, frame, boxes.reshape(-1, 4), pixels)
        cost[len(_DISTANCES) * len(_DIRECTIONS) :] += _ANYWHERE
        written.append(text)
        choices.append(_Choice(point, offsets, half + _GAP, cost))
    for text, choice, best in zip(written, choices, _solved(choices), strict=True):
        offset = choice.offsets[best]
        text.set_position((offset[0] / per_point, offset[1] / per_point))
    return written


class _Choice(NamedTuple):
    """The places of one label: [2] its point, [C, 2] offsets, [2] half its size, [C] own costs."""

    point: Array
    offsets: Array
    half: Array
    cost: Array

    def box(self, place: int) -> Array:
        """Rectangle [4] at a place."""
        centre = self.point + self.offsets[place]
        return np.concatenate([centre - self.half, centre + self.half])


def _solved(choices: Sequence[_Choice]) -> list[int]:
    """The place of each label: the first ones choose first, then all move until none does."""
    places: list[int] = []
    for choice in choices:
        places.append(_best(choice, [c.box(p) for c, p in zip(choices, places, strict=False)]))
    for _ in range(_ROUNDS):
        before = [*places]
        for i, choice in enumerate(choices):
            boxes = [other.box(place) for other, place in zip(choices, places, strict=True)]
            places[i] = _best(choice, boxes[:i] + boxes[i + 1 :])
        if places == before:
            break
    return places


def _best(choice: _Choice, others: Sequence[Array]) -> int:
    """The cheapest place beside the boxes of other labels."""
    boxes = np.array(others).reshape(-1, 4)
    low = choice.point + choice.offsets - choice.half
    covered = _overlap(low, low + 2.0 * choice.half, boxes).sum(axis=1)
    crossed = _crosses(choice.point, choice.offsets, boxes)
    area = 4.0 * choice.half.prod()
    return int(np.argmin(choice.cost + _COVERED * covered / area + _CROSSED * crossed))


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
    crossed = _crosses(point, offsets, boxes)
    hidden = np.all((visible > low[:, None]) & (visible < high[:, None]), axis=2).sum(axis=1)
    distance = np.hypot(*(np.abs(offsets) - half).clip(0.0).T)
    cost: Array = _OUTSIDE * (1.0 - inside) + _COVERED * covered + _CROSSED * crossed
    return cost + _POINT * hidden + _FAR * distance


def _crosses(point: Array, offsets: Array, boxes: Array) -> NDArray[np.bool_]:
    """Whether the leader to each place [C] runs through a box [B, 4]."""
    shares = np.linspace(0.0, 1.0, 12)[1:, None, None]
    leader = (point + shares * offsets).reshape(-1, 1, 2)
    within = np.all((leader > boxes[:, :2]) & (leader < boxes[:, 2:]), axis=2)
    crossed: NDArray[np.bool_] = within.any(axis=1).reshape(-1, len(offsets)).any(axis=0)
    return crossed


def _anywhere(frame: Array, half: Array) -> Array:
    """Centres [n, 2] of a grid of places all over the axes; `half` [2] is a label's half size."""
    low, high = frame[:2] + half + 3 * _GAP, frame[2:] - half - 3 * _GAP
    x, y = (np.linspace(low[i], high[i], count) for i, count in ((0, _GRID[1]), (1, _GRID[0])))
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _overlap(low: Array, high: Array, boxes: Array) -> Array:
    """Areas [C, B] shared by rectangles [C, 2] to [C, 2] and boxes [B, 4]."""
    sides = np.minimum(high[:, None], boxes[:, 2:]) - np.maximum(low[:, None], boxes[:, :2])
    areas: Array = sides.clip(0.0).prod(axis=2)
    return areas

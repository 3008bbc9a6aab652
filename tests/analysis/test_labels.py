"""Labels of a picture: none covers another, what it names, or a text in a corner."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from reworld_agent.analysis.explanation.explain import explain_scene
from reworld_agent.analysis.figures import bev, picture
from reworld_agent.analysis.figures.labels import Label, place
from tests.pdm.straight_road import scene, straight

NOTHING = np.empty((0, 2))


@pytest.fixture
def axes() -> Axes:
    """Empty axes from 0 to 1."""
    figure = Figure(figsize=(6, 4), dpi=100)
    FigureCanvasAgg(figure)
    return figure.add_subplot(xlim=(0, 1), ylim=(0, 1))


def _boxes(axes: Axes, texts: list[Text]) -> list[Bbox]:
    """Of the letters, without leaders; drawn, so that everything is where it stays."""
    canvas = axes.figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return [Text.get_window_extent(text, canvas.get_renderer()) for text in texts]


def _apart(boxes: list[Bbox]) -> bool:
    return not any(a.overlaps(b) for a, b in combinations(boxes, 2))


@pytest.mark.parametrize("point", [(0.5, 0.5), (0.99, 0.5), (0.01, 0.99), (0.7, 0.0)])
def test_labels_of_one_point_stand_apart_and_inside(axes: Axes, point: tuple[float, float]) -> None:
    labels = [Label(text, np.array(point)) for text in ("plan", "human", "PDM-Closed", "hit: x")]
    boxes = _boxes(axes, list(place(axes, labels, NOTHING)))
    frame = axes.get_window_extent()
    assert _apart(boxes)
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    assert all(frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)


def test_a_corners_text_and_points_that_should_be_seen_stay_free(axes: Axes) -> None:
    corner = axes.text(0.02, 0.9, "t = 1.0 s")
    crowd = np.random.default_rng(0).uniform([0.1, 0.6], [0.4, 0.8], (200, 2))
    (text,) = place(axes, [Label("a label", np.array([0.1, 0.85]))], crowd, [corner])
    box, other = _boxes(axes, [text, corner])
    assert not box.overlaps(other)
    pixels = axes.transData.transform(crowd)
    assert box.count_contains(pixels) == 0


def test_what_a_label_names_stays_free(axes: Axes) -> None:
    (text,) = place(axes, [Label("corner", np.array([0.5, 0.5]), clear=20.0)], NOTHING)
    (box,) = _boxes(axes, [text])
    outline = axes.transData.transform((0.5, 0.5)) + 27.0 * np.array([[1, 0], [-1, 0], [0, 1]])
    assert box.count_contains(outline) == 0  # 20 points at 100 dpi are 27.8 pixels


def test_names_of_drivers_that_end_together_can_be_read() -> None:
    cache = scene({"a": ("vehicle", 34.0, 0.5, 0.0, 0.0), "b": ("vehicle", 33.0, -3.0, 0.0, 0.0)})
    plan = straight(8.0)[0]
    view = picture.SceneView(cache, plan, tuple(explain_scene(cache, plan)))
    assert view.annotation is not None
    figure = Figure(figsize=(8, 5), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.07, 0.09, 0.91, 0.84))
    bev.draw(axes, cache, plan, annotation=view.annotation)
    assert len(axes.texts) == 5  # three drivers, the failure, the instant
    assert _apart(_boxes(axes, list(axes.texts)))

"""Texts of a figure: which overlap, and which leave it."""

from __future__ import annotations

from itertools import combinations
from typing import Any
from unittest.mock import patch

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

_SLACK = 0.5  # pixels


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """What is really written when the figure is drawn, and where [pixels]."""
    canvas, seen = FigureCanvasAgg(figure), dict[int, Text]()
    original = Text.draw

    def draw(self: Text, renderer: Any) -> None:
        seen[id(self)] = self
        original(self, renderer)

    with patch.object(Text, "draw", draw):
        canvas.draw()
    renderer = canvas.get_renderer()
    return [
        (text.get_text(), Text.get_window_extent(text, renderer))
        for text in seen.values()
        if text.get_text().strip() and text.get_visible()
    ]


def faults(figure: Figure) -> list[str]:
    """What is wrong with the texts of a figure, in words: collisions, and texts that are cut."""
    boxes, whole = drawn_texts(figure), figure.bbox
    found = []
    for said, box in boxes:
        if min(box.x0, box.y0, whole.x1 - box.x1, whole.y1 - box.y1) < -_SLACK:
            found.append(f"'{said}' leaves the figure")
    for (a, one), (b, other) in combinations(boxes, 2):
        shared = Bbox.intersection(one, other)
        if shared is not None and shared.width > _SLACK and shared.height > _SLACK:
            found.append(f"'{a}' and '{b}' overlap")
    return found

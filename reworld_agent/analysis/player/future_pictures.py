"""Imagined futures as figures: films beside one another at one time, or at several on one sheet."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reworld_agent.analysis.figures import style
from reworld_agent.analysis.player.contract import MovingScene
from reworld_agent.analysis.player.packing import pixels

_ABREAST, _TIMES = 3, 6
_ROW, _HEAD = 2.0, 0.6  # inches: a row of films with its title, the line above them
_SHEET_ROW, _WIDTH = 1.5, 7.2
_LETTERS = 44  # of a title


def at(scene: MovingScene, step: int) -> Figure:
    """All films at one picture of theirs."""
    films = scene.packed["films"]
    rows = -(-len(films) // _ABREAST)
    figure = Figure(figsize=(_WIDTH, _HEAD + rows * _ROW), dpi=100)
    time = f"t = {step * scene.packed['dt']:.1f} s"
    figure.text(0.01, 1.0 - 0.1 / figure.get_figheight(), f"{scene.token}   {time}", va="top")
    for number, film in enumerate(films):
        axes = _axes(figure, number // _ABREAST, number % _ABREAST, _ABREAST, _ROW)
        _show(axes, scene, film, step)
        axes.set_title(_title(film, step), fontsize=style.SMALL)
    return figure


def sheet(scene: MovingScene) -> Figure:
    """A row a film, at up to six times from the first picture to the last."""
    films, steps = scene.packed["films"], scene.packed["steps"]
    chosen = sorted({round(float(x)) for x in np.linspace(0, steps - 1, _TIMES)})
    figure = Figure(figsize=(1.5 * _WIDTH, _HEAD + len(films) * _SHEET_ROW), dpi=100)
    figure.text(0.01, 1.0 - 0.1 / figure.get_figheight(), scene.token, va="top")
    for row, film in enumerate(films):
        top = 1.0 - (_HEAD + row * _SHEET_ROW) / figure.get_figheight()
        figure.text(0.005, top, film["name"], va="top", fontsize=style.SMALL)
        for column, step in enumerate(chosen):
            axes = _axes(figure, row, column, len(chosen), _SHEET_ROW)
            _show(axes, scene, film, step)
            time = f"{step * scene.packed['dt']:.1f} s"
            axes.set_title(time + _number(film, step), fontsize=style.SMALL - 1.5)
    return figure


def _axes(figure: Figure, row: int, column: int, columns: int, height: float) -> Axes:
    """A place of a grid under the head."""
    whole = figure.get_figheight()
    low = (whole - _HEAD - (row + 1) * height) / whole
    axes = figure.add_axes(
        (column / columns + 0.005, low, 1 / columns - 0.01, 0.7 * height / whole)
    )
    axes.set_axis_off()
    return axes


def _show(axes: Axes, scene: MovingScene, film: dict[str, Any], step: int) -> None:
    axes.imshow(pixels(scene.images[film["frames"][step][1]]))


def _title(film: dict[str, Any], step: int) -> str:
    return textwrap.fill(film["name"], _LETTERS) + _number(film, step)


def _number(film: dict[str, Any], step: int) -> str:
    return f", {film['numbers'][step]} {film['unit']}" if "numbers" in film else ""

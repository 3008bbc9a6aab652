"""A rollout or an imagined future in one picture, or as GIF or MP4, from what a page plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reworld_agent.analysis.figures import animation, style
from reworld_agent.analysis.picture_kinds import MOVING, kind_of, require_kind
from reworld_agent.analysis.player import future_pictures, rollout_pictures
from reworld_agent.analysis.player.contract import FUTURE, MovingScene
from reworld_agent.core.atomic import write_atomically

_EVERY, _HELD = 2, 6  # steps of a rollout between two pictures; pictures of its first failure
_DPI, _STILL_DPI = 100, 150


@style.plain_text()
def write(path: Path, scene: MovingScene) -> None:
    """Write a recording of `recordings.read` as a picture or a film, as the file's ending says.

    Raises:
        UsageError: an ending that is none of a picture's. ConfigError: PyAV is not installed.
        DataError: the file cannot be written.
    """
    require_kind("output", path)
    kind, packed = kind_of(path), scene.packed
    if kind not in MOVING:
        figure = still(scene)
        write_atomically(path, lambda partial: figure.savefig(partial, format=kind, dpi=_STILL_DPI))
        return
    if packed["kind"] == FUTURE:
        figures = (future_pictures.at(scene, step) for step in range(packed["steps"]))
        animation.save(path, [*map(_pixels, figures)], 1.0 / packed["dt"])
        return
    held = rollout_pictures.first_failure(scene)
    pictures = [*_driven(scene, held)]
    number = 0 if held is None else held // _EVERY
    animation.save(path, pictures, 1.0 / (packed["dt"] * _EVERY), number)


@style.plain_text()
def still(scene: MovingScene) -> Figure:
    """A drive at its first failure, or in its middle; a future's films at several times."""
    if scene.packed["kind"] == FUTURE:
        return future_pictures.sheet(scene)
    held = rollout_pictures.first_failure(scene)
    step = scene.packed["steps"] // 2 if held is None else held
    return rollout_pictures.at(scene, step)


def _driven(scene: MovingScene, held: int | None) -> Iterator[NDArray[np.uint8]]:
    """Pictures of a drive at 5 Hz; the first failure is held."""
    marked = None if held is None else held - held % _EVERY
    for step in range(0, scene.packed["steps"], _EVERY):
        if step != marked:
            yield _pixels(rollout_pictures.at(scene, step))
        elif held is not None:
            yield from [_pixels(rollout_pictures.at(scene, held))] * _HELD


def _pixels(figure: Figure) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] of a figure."""
    figure.set_dpi(_DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()

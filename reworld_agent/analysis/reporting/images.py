"""Pictures of a report as data URIs: small WebP images, drawn in worker processes."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from reworld_agent.analysis.figures import bev, camera
from reworld_agent.analysis.figures.gallery import alone, run_pictures
from reworld_agent.analysis.figures.picture import open_view
from reworld_agent.analysis.tables.runs import Run
from reworld_agent.core.errors import ReWorldError

_QUALITY = 72


@dataclass(frozen=True)
class ImageTask:
    """One scene to draw: the run with this scene alone, and the scene's failures."""

    run: Run
    token: str
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class SceneImages:
    """Data URIs of a scene's pictures; "" where one is missing, and `reason` says why."""

    token: str
    bev: str = ""
    front: str = ""
    reason: str = ""


def scene_images(
    run: Run, chosen: Mapping[str, tuple[dict[str, Any], ...]], workers: int | None = None
) -> dict[str, SceneImages]:
    """Pictures of scenes.

    Args:
        run: of `runs.open_run`.
        chosen: token → its failures, worst first (`gallery.worst`).
        workers: processes.
    """
    tasks = [ImageTask(alone(run, token), token, rows) for token, rows in chosen.items()]
    return {images.token: images for images in run_pictures(draw_one, tasks, workers)}


def draw_one(task: ImageTask) -> SceneImages:
    """Draw one scene."""
    try:
        view = open_view(task.run, task.token, task.rows)
    except ReWorldError as error:
        return SceneImages(task.token, reason=error.message)
    annotation = view.annotation
    figure = Figure(figsize=(5.2, 3.3), dpi=135)
    axes = figure.add_axes((0.09, 0.13, 0.9, 0.85))
    bev.draw(axes, view.cache, annotation=annotation, **view.plan)
    if view.front is None:
        return SceneImages(task.token, _uri(figure), reason=view.no_front)
    width, height = view.front.size
    front = Figure(figsize=(5.4, 5.4 * height / width), dpi=100)
    axes = front.add_axes((0, 0, 1, 1))
    camera.draw(axes, view.front, view.cache, annotation=annotation, **view.plan)
    return SceneImages(task.token, _uri(figure), _uri(front))


def _uri(figure: Figure) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="webp", pil_kwargs={"quality": _QUALITY, "method": 4})
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")

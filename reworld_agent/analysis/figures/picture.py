"""One scene of a run in one picture: bird's eye at the instant of failure, front camera, sentence.

A `.gif` or `.mp4` shows the 4 s instead.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reworld_agent.analysis.explanation.annotation import annotation_of
from reworld_agent.analysis.explanation.explain import explain_scene
from reworld_agent.analysis.explanation.traits import COMMANDS
from reworld_agent.analysis.figures import animation, bev, camera, style
from reworld_agent.analysis.picture_kinds import MOVING, STILLS, kind_of, require_kind
from reworld_agent.analysis.tables.runs import Run
from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import ReWorldError
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.metrics import FailureAnnotation
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.pdm.simulate.rollout import rollout
from reworld_agent.scenes.scene_pickles import scene_pickle_path

_LINE = 112  # letters
_SMALLER_LINE = 132  # letters, of two agents' sentences


@dataclass(frozen=True)
class SceneView:
    """All that is drawn of one scene.

    Attributes:
        cache: the scene.
        poses: [L, 3] the plan, ego frame.
        rows: its failures (`explain.explain_scene`), worst first; empty where it passes.
        front: the front camera at t0, None where there is no image.
        no_front: why there is none.
        scores: its row of the run's table, by short names.
        interval_s: between poses [s]; None where 8 are at 2 Hz or 40 at 10 Hz.
        beside: another agent, None where the scene is drawn with one.
        beside_rows, beside_scores: that agent's failures and scores.
    """

    cache: SceneCache
    poses: NDArray[np.float64]
    rows: tuple[Mapping[str, Any], ...]
    front: camera.FrontView | None = None
    no_front: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    interval_s: float | None = None
    beside: bev.Beside | None = None
    beside_rows: tuple[Mapping[str, Any], ...] = ()
    beside_scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def plan(self) -> dict[str, Any]:
        """The plan, and another agent's, as what draws them takes them."""
        return {"poses": self.poses, "interval_s": self.interval_s, "beside": self.beside}

    @property
    def annotation(self) -> FailureAnnotation | None:
        """The failure that costs most: of the plan, where that passes of the other agent."""
        poses, interval, rows = self.poses, self.interval_s, self.rows
        if self.beside is not None and self.beside.fails:
            poses, interval, rows = self.beside.poses, self.beside.interval_s, self.beside_rows
        if not rows:
            return None
        return annotation_of(self.cache, rollout(self.cache, poses[None], interval)[0], rows[0])

    @property
    def sentences(self) -> list[str]:
        """What is said of it: a line an agent."""
        if self.beside is None:
            return [_sentence(self.rows)]
        names = self.beside.first, self.beside.name
        both = self.rows, self.beside_rows
        return [f"{name}: {_sentence(rows)}" for name, rows in zip(names, both, strict=True)]


def _sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    return str(rows[0]["sentence"]) if rows else "passes every metric"


def open_view(
    run: Run,
    token: str,
    rows: Sequence[Mapping[str, Any]] | None = None,
    images: bool = True,
    other: Run | None = None,
) -> SceneView:
    """Gather what is drawn of a scene.

    Args:
        run: of `runs.open_run`.
        token: the scene.
        rows: its failures where they are known, else they are found.
        images: also read the front camera; a missing image is no error.
        other: another run, drawn in the same scene.

    Raises:
        ReWorldError: the scene or a trajectory cannot be had.
    """
    poses, interval, cache = run.plan(token), run.intervals.get(token), run.caches.get(token)
    if rows is None:
        rows = explain_scene(cache, poses, run.table.protocol.name, interval)
    beside, lost = None, tuple[Mapping[str, Any], ...]()
    if other is not None:
        own, apart = other.plan(token), other.intervals.get(token)
        lost = tuple(explain_scene(cache, own, run.table.protocol.name, apart))
        labels = other.table.label, run.table.label
        beside = bev.Beside(own, *labels, apart, fails=bool(lost) and not rows)
    front, reason = None, "not asked for"
    if images:
        try:
            front = _front(run.caches, token)
        except ReWorldError as error:
            reason = error.message
    scores = run.scores(token)
    other_scores = other.scores(token) if other is not None else {}
    return SceneView(
        cache, poses, tuple(rows), front, reason, scores, interval, beside, lost, other_scores
    )


def _front(caches: SceneCaches, token: str) -> camera.FrontView:
    """The front camera of a scene of either stage; raises ReWorldError where it has no image."""
    second = caches.synthetic_scenes and scene_pickle_path(caches.synthetic_scenes, token)
    if second and second.is_file():
        return camera.load_front_of_stage_two(second)
    return camera.load_front(caches.data_root, caches.data_split, token)


@style.plain_text()
def compose(view: SceneView) -> Figure:
    """Bird's eye left, camera right, the sentence above; 10 × 4.1 inches."""
    figure = Figure(figsize=(10, 4.1), dpi=110, facecolor="white")
    annotation = view.annotation
    top = 0.835 if view.beside is None else 0.8  # under up to four lines of two agents
    left = figure.add_axes((0.065, 0.115, 0.52, top - 0.115))
    bev.draw(left, view.cache, annotation=annotation, **view.plan)
    right = figure.add_axes((0.6, 0.26, 0.39, top - 0.26))
    right.set_anchor("N")
    if view.front is not None:
        camera.draw(right, view.front, view.cache, annotation=annotation, **view.plan)
    else:
        right.set_axis_off()
        right.text(0.5, 0.5, "no camera image", ha="center", color=style.GREY)
    width, size = (_LINE, 10.0) if view.beside is None else (_SMALLER_LINE, 8.5)
    said = [own.replace(" %", "\u00a0%") for own in view.sentences]
    lines = [line for own in said for line in textwrap.wrap(own, width)[:2]]
    figure.text(0.012, 0.975, "\n".join(lines), va="top", fontsize=size, fontweight="bold")
    letters, count, size = (66, 5, 8.0) if view.beside is None else (76, 6, 6.6)
    small = [part for line in _small_print(view) for part in textwrap.wrap(line, letters)]
    spacing = 1.4 if view.beside is None else 1.2
    look: dict[str, Any] = {"va": "top", "fontsize": size, "linespacing": spacing}
    figure.text(0.6, 0.215, "\n".join(small[:count]), **look)
    return figure


def _small_print(view: SceneView) -> list[str]:
    """Small print beside the pictures."""
    cache = view.cache
    scores = _scores(view.scores)
    ways = "camera at t = 0 s; plan: blue, as wide as the car; human: dashed"
    if view.beside is not None:
        ways = f"camera at t = 0 s; {view.beside.first}: blue, as wide as the car; others: dashed"
        scores = f"{view.beside.first}: {scores}"
    speed = f"{float(np.hypot(*cache.ego_state[3:5])):.1f} m/s"
    command = COMMANDS[cache.driving_command]
    lines = [
        ways if view.front is not None else "",
        scores,
        f"{view.beside.name}: {_scores(view.beside_scores)}" if view.beside is not None else "",
        f"scene {cache.token}   command {command}   {speed} at t = 0 s",
        f"log {cache.log_name}   {cache.map_name}",
    ]
    return [line for line in lines if line]


def _scores(scores: Mapping[str, float]) -> str:
    return "   ".join(f"{name} {value:.3g}" for name, value in scores.items())


@style.plain_text()
def write_picture(
    run: Run,
    token: str,
    path: Path,
    rows: Sequence[Mapping[str, Any]] | None = None,
    other: Run | None = None,
) -> Path:
    """Draw one scene, of another run too, into a file; its suffix says what is drawn.

    Raises:
        UsageError: a suffix that is not known.
        ReWorldError: the scene cannot be had, or the file cannot be written.
    """
    require_kind("picture", path)
    kind = kind_of(path)
    view = open_view(run, token, rows, images=kind in STILLS, other=other)
    if kind in MOVING:
        animation.write(
            path,
            view.cache,
            annotation=view.annotation,
            title="\n".join(view.sentences),
            protocol=run.table.protocol.name,
            **view.plan,
        )
        return path
    figure = compose(view)
    write_atomically(path, lambda partial: figure.savefig(partial, format=kind))
    return path

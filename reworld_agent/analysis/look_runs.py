"""`reworld look RUN`: scenes of a run, moving, in a file that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from reworld_agent.analysis.comparison.compare import compare_tables
from reworld_agent.analysis.comparison.comparison import Comparison
from reworld_agent.analysis.explanation.explain import explain_scene
from reworld_agent.analysis.player import page, recordings, rerun_file
from reworld_agent.analysis.player.contract import ROLLOUT, MovingScene, notes_of
from reworld_agent.analysis.player.scenes import SceneTask, gather_all, open_beside
from reworld_agent.analysis.player.settings import HTML, PAGE_SCENES, RERUN, LookSettings
from reworld_agent.analysis.tables.files import run_folder
from reworld_agent.analysis.tables.runs import Run, open_run
from reworld_agent.analysis.tables.score_tables import read_table
from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import ReWorldError, SceneError
from reworld_agent.core.extras import require_installed
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.vocabulary import DRIVE_V1
from reworld_agent.pdm import metrics
from reworld_agent.pdm.metrics import SCORE, Protocol

_T = TypeVar("_T")
_MOST_EMBEDDED = 20_000_000  # bytes of a page inside a notebook


@dataclass(frozen=True)
class Looked:
    """What was written.

    Attributes:
        paths: of the files.
        size: bytes of all of them.
        scenes: how many they show.
        notes: what could not be shown, and why.
    """

    paths: tuple[Path, ...]
    size: int
    scenes: int
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """The page itself in a notebook, in a frame of its own; the names of other files."""
        if self.paths[0].suffix != ".html" or self.size > _MOST_EMBEDDED:
            return "".join(f"<p>{html.escape(str(path))}</p>" for path in self.paths)
        text = html.escape(self.paths[0].read_text(encoding="utf-8"))
        look = 'style="width:100%;height:900px;border:0" title="player"'
        return f'<iframe {look} srcdoc="{text}"></iframe>'


@one_writer
def look(settings: LookSettings) -> Looked:
    """Gather scenes of a run and write what plays or shows them.

    Raises:
        ReWorldError: a run or the scene cannot be had, the runs are not alike, the file cannot be
            written, or a library that the view needs is not installed.
    """
    if settings.view == RERUN:
        require_installed("rerun")
    elif settings.view != HTML:
        require_installed("matplotlib", "cv2")
    if recordings.are_in(run_folder(settings.run)):
        return _recorded(settings)
    if settings.view not in (HTML, RERUN):
        return _one_file(settings)
    run, other = _opened(settings)
    found = compare_tables(run.table, other.table, common=True) if other is not None else None
    tasks = _tasks(settings, run, other, found)
    lines = [*_lines(run, len(tasks)), *_difference(found)]
    title = run.table.label if len(tasks) > 1 else f"{run.table.label}: {tasks[0].token}"
    if settings.view == RERUN:
        scenes = gather_all(tasks, settings.workers)
        rerun_file.write(settings.file, title, scenes)
        return Looked((settings.file,), settings.file.stat().st_size, len(scenes), _notes(scenes))
    parts = _pages(tasks)
    gathered = (gather_all(part, settings.workers) for part in parts)
    sizes = [*map(len, parts)]
    return _written(settings.file, title, lines, gathered, sizes, run.table.protocol)


def _recorded(settings: LookSettings) -> Looked:
    """Rollouts and imagined futures of a folder."""
    folder = run_folder(settings.run)
    beside = None if settings.beside is None else run_folder(settings.beside)
    scenes = recordings.read(folder, settings.token, settings.show, beside)
    if settings.view != HTML:
        _write_recorded(settings, folder.name, scenes)
        size = settings.file.stat().st_size
        return Looked((settings.file,), size, len(scenes), _notes(scenes))
    kinds = sorted({str(own.packed["kind"]) for own in scenes})
    lines = [f"{len(scenes):,} recorded: {', '.join(kinds)}"]
    if settings.beside is not None:
        with suppress(ReWorldError):  # recordings without tables have no means
            first, second = read_table(settings.run), read_table(settings.beside)
            lines += _difference(compare_tables(first, second, common=True))
    parts = _pages(scenes)
    rules = metrics.protocol(DRIVE_V1) if ROLLOUT in kinds else None
    return _written(settings.file, folder.name, lines, parts, [*map(len, parts)], rules)


def _write_recorded(settings: LookSettings, title: str, scenes: Sequence[MovingScene]) -> None:
    """Recordings for Rerun's viewer, or the one that was asked for as a picture or film."""
    if settings.view == RERUN:
        rerun_file.write(settings.file, title, scenes)
        return
    # pages need no extra, pictures need `figures`
    from reworld_agent.analysis.player import recorded_pictures  # noqa: PLC0415

    recorded_pictures.write(settings.file, scenes[0])


def _pages(items: Sequence[_T]) -> list[Sequence[_T]]:
    """What each page holds."""
    return [items[i : i + PAGE_SCENES] for i in range(0, len(items), PAGE_SCENES)]


def _written(
    path: Path,
    title: str,
    lines: Sequence[str],
    parts: Iterable[Sequence[MovingScene]],
    sizes: Sequence[int],
    protocol: Protocol | None,
) -> Looked:
    """Write each part of the scenes as a page: FILE.html, FILE-2.html and so on.

    A part is gathered when its page is written: all scenes of a large run do not fit into memory.
    """
    names = [path, *(path.with_stem(f"{path.stem}-{i}") for i in range(2, len(sizes) + 1))]
    ends = np.cumsum(sizes)
    said = [f"{end - size + 1:,} to {end:,}" for end, size in zip(ends, sizes, strict=True)]
    links = {name.name: own for name, own in zip(names, said, strict=True)} if sizes[1:] else {}
    notes: dict[str, list[str]] = {}
    for name, own, scenes in zip(names, said, parts, strict=True):
        here = [*lines, f"scenes {own} of {ends[-1]:,}"] if links else lines
        text = page.render(title, here, scenes, protocol, links, name.name)
        write_atomically(name, partial(_write, text=text.encode("utf-8", "replace")))
        for note, tokens in notes_of(scenes).items():
            notes.setdefault(note, []).extend(tokens)
    size = sum(one.stat().st_size for one in names)
    return Looked(tuple(names), size, int(ends[-1]), _told(notes))


def _tasks(
    settings: LookSettings, run: Run, other: Run | None, found: Comparison | None
) -> list[SceneTask]:
    outcomes: dict[str, str] = {}
    if found is not None:
        outcomes = dict(zip(found.scenes["token"], found.scenes["outcome"], strict=True))
    names, few = settings.camera_names, settings.few_frames
    return [
        SceneTask(
            run.alone(token),
            token,
            other=other.alone(token) if other is not None else None,
            cameras=names,
            key_frames=few,
            outcome=outcomes.get(token, ""),
        )
        for token in _tokens(settings, run)
    ]


def _tokens(settings: LookSettings, run: Run) -> list[str]:
    """The one scene, or the worst ones that have a plan."""
    if settings.token is not None:
        run.plan(settings.token)
        return [settings.token]
    scores = run.table.frame[SCORE]
    scores = scores[scores.index.isin(run.poses.index)].sort_values(kind="stable")
    if scores.empty:
        raise SceneError(
            "no scene of the table has a row in trajectories.parquet", "score the run again"
        )
    return [str(token) for token in scores.index[: settings.show]]


def _opened(settings: LookSettings) -> tuple[Run, Run | None]:
    """The run, and the other one."""
    run = open_run(settings)
    return (run, None) if settings.beside is None else open_beside(settings.beside, run)


def _lines(run: Run, count: int) -> list[str]:
    table = run.table
    scored = len(table.frame)
    return [
        f"{table.label}, {table.protocol.title} ({table.protocol.name}), split "
        f"{run.caches.data_split}: {count:,} of {scored:,} scenes, scores in %"
    ]


def _difference(found: Comparison | None) -> list[str]:
    """The paired difference of two runs, in percent, with its interval."""
    if found is None:
        return []
    row = found.metrics[found.metrics["metric"] == SCORE].iloc[0]
    a, b, low, high = (100.0 * float(row[name]) for name in ("mean_a", "mean_b", "low", "high"))
    interval = f"95 % interval {low:+.2f} to {high:+.2f}" if low == low else "no interval"
    return [
        f"{found.a.label} {a:.2f}, {found.b.label} {b:.2f}: difference {a - b:+.2f} ({interval}, "
        f"{len(found.scenes):,} scenes, {found.clusters[0]} {found.clusters[1]})"
    ]


def _write(path: Path, text: bytes) -> None:
    path.write_bytes(text)


def _notes(scenes: Sequence[MovingScene]) -> tuple[str, ...]:
    return _told(notes_of(scenes))


def _told(notes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What is missing, each reason once with the number of scenes and an example."""
    return tuple(
        f"{len(own)} scene{'s' if len(own) > 1 else ''} ({own[0]} ...): {note}"
        for note, own in notes.items()
    )


def _one_file(settings: LookSettings) -> Looked:
    """A picture or film of one scene."""
    # pages need no extra, pictures need `figures`
    from reworld_agent.analysis.figures.picture import write_picture  # noqa: PLC0415

    run, other = _opened(settings)
    token = settings.token or ""
    rows = explain_scene(
        run.caches.get(token),
        run.plan(token),
        run.table.protocol.name,
        run.intervals.get(token),
    )
    path = write_picture(run, token, settings.file, rows, other)
    return Looked((path,), path.stat().st_size, 1)

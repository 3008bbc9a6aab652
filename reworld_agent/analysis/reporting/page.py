"""`reworld report RUN`: a run on one HTML page that needs nothing else, not even a network."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd

from reworld_agent.analysis.comparison.compare import compare_tables
from reworld_agent.analysis.comparison.comparison import Comparison
from reworld_agent.analysis.explain_runs import explain_run
from reworld_agent.analysis.explanation.explain import SCHEMA, failed_metrics
from reworld_agent.analysis.explanation.explanation import scored_otherwise
from reworld_agent.analysis.explanation.worst import worst
from reworld_agent.analysis.figures.calibration import FRONT
from reworld_agent.analysis.player import page as player
from reworld_agent.analysis.player.contract import MovingScene, notes_of
from reworld_agent.analysis.player.rollouts import rollout
from reworld_agent.analysis.player.scenes import SceneTask, gather_all, open_beside
from reworld_agent.analysis.reporting import contents as report_data
from reworld_agent.analysis.reporting.contents import Explained
from reworld_agent.analysis.reporting.settings import ReportSettings
from reworld_agent.analysis.tables.completeness import Check, checks
from reworld_agent.analysis.tables.driven import (
    driven_failures,
    driven_run,
    is_driven,
)
from reworld_agent.analysis.tables.files import EXPLANATIONS, ROLLOUTS
from reworld_agent.analysis.tables.raw_tables import open_table
from reworld_agent.analysis.tables.runs import Run, open_run
from reworld_agent.analysis.tables.sanity import notices
from reworld_agent.analysis.tables.score_tables import ScoreTable, read_table
from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import DataError, ReWorldError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version
from reworld_agent.core.text import shown
from reworld_agent.core.vocabulary import PDMS_V1
from reworld_agent.pdm.metrics import metric

_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Content:
    """Everything that a page is made of."""

    table: ScoreTable
    run: Run | None
    explained: Explained
    scenes: tuple[MovingScene, ...] = ()
    beside: Comparison | None = None


@dataclass(frozen=True)
class Report:
    """A page that was written.

    Attributes:
        path: of the page.
        size: bytes.
        content: what it shows.
    """

    path: Path
    size: int
    content: Content


@one_writer
def report(settings: ReportSettings) -> Report:
    """Read, explain and draw all that a page shows, and write it.

    Raises:
        ReWorldError: no table, or one that cannot be read; what else is missing is noted.
    """
    content = gather(settings)
    return Report(settings.page, write(content, settings.page), content)


def gather(settings: ReportSettings) -> Content:
    """All that a page shows; see `report`."""
    table = read_table(settings.run, of_both=settings.protocol or PDMS_V1)
    other = _beside(table, settings.beside)
    if is_driven(table):
        return _driven(settings, table, other)
    empty = Explained(SCHEMA.empty_table().to_pandas(), _count_failed(table))
    try:
        run = open_run(settings)
    except ReWorldError as error:
        note = f"failures are not explained: {error.message}"
        return Content(table, None, Explained(empty.rows, empty.failed, (note,)), (), other)
    explained = _explain(run, settings.explain, settings.workers)
    scenes = _scenes(settings, run, explained.rows, other)
    return Content(table, run, explained, scenes, other)


def _driven(settings: ReportSettings, table: ScoreTable, other: Comparison | None) -> Content:
    """A run of drives: its failures as they were told, its worst recordings to be played."""
    rows, notes = SCHEMA.empty_table().to_pandas(), tuple[str, ...]()
    try:
        rows = driven_failures(table, list(SCHEMA.names))
    except ReWorldError as error:
        notes = (f"failures are not explained: {error.message}",)
    folder = table.path.parent / ROLLOUTS
    known = [token for token in worst(rows, settings.gallery) if (folder / token).is_dir()]
    apart = settings.beside / ROLLOUTS if settings.beside is not None else None
    scenes = tuple(rollout(folder / token, _there(apart, token)) for token in known)
    explained = Explained(rows, rows["token"].nunique(), notes)
    return Content(table, driven_run(table), explained, scenes, other)


def _there(folder: Path | None, token: str) -> Path | None:
    """A scenario's recording in a folder of another run, None where there is none."""
    found = folder / token if folder is not None else None
    return found if found is not None and found.is_dir() else None


def _scenes(
    settings: ReportSettings, run: Run, rows: pd.DataFrame, found: Comparison | None
) -> tuple[MovingScene, ...]:
    """The worst scenes, to be played, the other run in them where it has plans."""
    other = None
    if settings.beside is not None:
        with suppress(ReWorldError):
            run, other = open_beside(settings.beside, run)
    outcomes = _outcomes(found)
    tasks = [
        SceneTask(
            run.alone(token),
            token,
            own,
            other.alone(token) if other is not None else None,
            cameras=(FRONT,),
            key_frames=True,
            outcome=outcomes.get(token, ""),
        )
        for token, own in worst(rows, settings.gallery).items()
    ]
    return tuple(gather_all(tasks, settings.workers))


def _outcomes(found: Comparison | None) -> dict[str, str]:
    """Of each scene, whether it is won against the other run."""
    if found is None:
        return {}
    return dict(zip(found.scenes["token"], found.scenes["outcome"], strict=True))


def _beside(table: ScoreTable, path: Path | None) -> Comparison | None:
    if path is None:
        return None
    return compare_tables(table, read_table(path, of_both=table.protocol.name), common=True)


def _count_failed(table: ScoreTable) -> int:
    """Scenes in which a metric fails, as `explain` counts them."""
    names = [str(name) for name in table.frame]
    if any(name not in names for name in table.protocol.explained):
        return 0
    name = table.protocol.name
    rows = table.frame.itertuples(index=False, name=None)
    return sum(
        bool(failed_metrics(dict(zip(names, row, strict=True)), protocol=name)) for row in rows
    )


def _explain(run: Run, most: int, workers: int | None) -> Explained:
    """Failures of a run: those that `reworld explain` wrote there, where they still fit."""
    failed = _count_failed(run.table)
    rows = _written_before(run, failed)
    problems: list[tuple[str, str]] = []
    if rows is None:
        rows, problems = explain_run(run, workers=workers, most=most)
    notes = []
    if failed > most and rows["token"].nunique() <= most:
        notes.append(
            f"causes are counted over a random choice of {most:,} of {failed:,} failed scenes; "
            "`reworld explain RUN` explains all of them, and the next report uses that"
        )
    for reason in dict.fromkeys(reason for _, reason in problems):
        tokens = [token for token, own in problems if own == reason]
        notes.append(f"{len(tokens)} scenes not explained ({tokens[0]} …): {reason}")
    changed = scored_otherwise(run, rows.drop_duplicates("token"))
    if len(changed):
        notes.append(
            f"{len(changed)} scenes score otherwise now than in the run's table: it was made by "
            "another version, or the data changed"
        )
    return Explained(rows, failed, tuple(notes))


def _written_before(run: Run, failed: int) -> pd.DataFrame | None:
    """Rows of explanations.parquet in the run's folder, None where they do not fit the table."""
    path = run.table.path.with_name(EXPLANATIONS)
    if not path.is_file():
        return None
    try:
        known = open_table(path)
        if set(known.columns) != set(SCHEMA.names):
            return None
        rows = known.read(list(SCHEMA.names))
    except DataError:
        return None
    same = known.provenance.get("explained_by") == code_version()
    fits = known.provenance.get("protocol") in (run.table.protocol.name, "both")
    whole = rows["token"].nunique() == failed and rows["token"].isin(run.table.frame.index).all()
    if not (same and fits and whole):
        return None
    scores = run.table.frame["score"].reindex(rows["token"]).to_numpy()
    return rows if (abs(scores - rows["table_score"].to_numpy()) < 1e-9).all() else None


def write(content: Content, output: Path) -> int:
    """Write the page; its size in bytes.

    Raises:
        DataError: the file cannot be written.
    """
    page = render(content).encode("utf-8", "replace")
    write_atomically(output, lambda partial: partial.write_bytes(page))
    return len(page)


def render(content: Content) -> str:
    """The page as text."""
    table, rows = content.table, content.explained.rows
    card = report_data.score_card(table)
    played = {scene.token for scene in content.scenes}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([_TEMPLATES, player.ASSETS]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page: str = environment.get_template("report.html").render(
        table=table,
        split=table.provenance.get("split", "unknown split"),
        score=next(own for own in card if own["is_score"]),
        card=card,
        checks=_checks(content),
        notices=notices(table),
        provenance=report_data.provenance(table),
        histogram=report_data.histogram(table),
        groups=report_data.breakdown(rows),
        metrics=[metric(name).short for name in table.protocol.explained],
        styles=player.styles(table.protocol),
        legend=player.LEGEND,
        data=player.data(content.scenes),
        script=player.script(),
        explained=content.explained,
        scenes=report_data.scenes(rows, played, _outcomes(content.beside)),
        played=len(played),
        rows_shown=report_data.ROWS,
        failed_tokens=rows["token"].nunique(),
        paper=report_data.paper(table),
        beside=report_data.beside(content.beside),
        version=code_version(),
        run_path=shown(table.path.parent),
    )
    return page


def _checks(content: Content) -> list[Check]:
    found = checks(content.table)
    for note, tokens in notes_of(content.scenes).items():
        found.append(Check(False, f"{len(tokens)} scenes of the gallery: {note}"))
    return found

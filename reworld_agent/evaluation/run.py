"""An evaluation: every scene of a split is planned, then the plans are scored."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from reworld_agent.core.guards.file_names import file_names
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import provenance
from reworld_agent.core.result_tables import check_writable, write_csv, write_parquet
from reworld_agent.core.shards import PartStore
from reworld_agent.core.vocabulary import BOTH, PROTOCOL_NAMES, REACTIVE, SCORES_FILE
from reworld_agent.core.workers import cores
from reworld_agent.evaluation.agent_choice import AgentChoice
from reworld_agent.evaluation.agents import CHECKPOINT, build_agents
from reworld_agent.evaluation.inference import FAILED, FALLBACK, Loader, plan_split
from reworld_agent.evaluation.modes import best_of, has_modes, means, score_modes
from reworld_agent.evaluation.plans_only import PlannedStages, failures_of, text_of
from reworld_agent.evaluation.scoring import ROW_KEYS, score_trajectories
from reworld_agent.evaluation.settings import EvaluationRun
from reworld_agent.evaluation.staged_loader import StagedLoader, SyntheticData
from reworld_agent.evaluation.tables import (
    AgentSummary,
    format_summary,
    score_table,
    summarise,
    write_score_table,
)
from reworld_agent.evaluation.two_stage import Staged, format_staged, groups_of, staged
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.golden.finding import require_trust
from reworld_agent.pdm.protocols.aggregate import Group, read_groups
from reworld_agent.scenes.frame_checks import gaps_are_scored
from reworld_agent.scenes.preflight import Preflight, preflight
from reworld_agent.scenes.sensors import cameras_of
from reworld_agent.scenes.splits import DataRoots, resolve_split

logger = logging.getLogger(__name__)


@dataclass
class Planned:
    """What phase one gave for an agent, and the provenance of its numbers."""

    name: str
    origin: dict[str, Any]
    folder: Path
    trajectories: pd.DataFrame
    record: pd.DataFrame


@dataclass
class Result:
    """What phase two gave for an agent: its line of the table, or its two stages; its failures.

    Of a split without scores, what is said of its plans. All of it lies in `folder`.
    """

    name: str
    folder: Path
    failures: pd.DataFrame
    missing: str
    summary: AgentSummary | None = None
    stages: Staged | None = None
    plans: str = ""


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation gave.

    Attributes:
        settings: of the run.
        data_split: folder of its logs.
        results: of the agents, in their order.
    """

    settings: EvaluationRun
    data_split: str
    results: tuple[Result, ...]

    @property
    def incomplete(self) -> list[Result]:
        """Agents of which a scene has no score."""
        return [result for result in self.results if result.missing]

    @property
    def protocols(self) -> tuple[str, ...]:
        """Under which the plans were scored."""
        protocol = self.settings.protocol
        return PROTOCOL_NAMES if protocol == BOTH else (protocol,)

    def text(self) -> str:
        """The table of all agents, or the two stages of each."""
        summaries = [entry.summary for entry in self.results if entry.summary is not None]
        if summaries:
            return format_summary(summaries, self.settings.protocol, self.data_split)
        plans = [entry.plans for entry in self.results if entry.plans]
        if plans:
            return "\n".join(plans)
        stages = [(entry.name, entry.stages) for entry in self.results if entry.stages is not None]
        return "\n\n".join(format_staged(name, found, self.data_split) for name, found in stages)


@one_writer
def evaluate(settings: EvaluationRun) -> Evaluation:
    """Plan every scene of a split, score the plans, write the tables.

    Raises:
        ReWorldError: the run cannot start, or cannot write; finished work is kept. Also where
            another process writes the same folder.
    """
    check_writable(settings.output_dir, SCORES_FILE)
    require_trust(settings.moving, bool(settings.two_stage))
    chosen = [settings.agent, *settings.beside]
    agents = build_agents(chosen)
    wanted = {name: agent.get_sensor_config() for name, agent in agents.items()}
    split = settings.train_test_split
    roots = resolve_split(split.data_split, cameras_of(wanted.values()))
    if settings.plans_only:
        return _plan_only(settings, agents, roots)
    here = _processes(settings)
    loaders = {name: roots.loader(split.scene_filter, wish, here) for name, wish in wanted.items()}
    for name, agent in agents.items():
        _warn(preflight(loaders[name], wanted[name], agent.requires_scene, workers=here))
    sources: dict[str, Loader] = dict(loaders)
    groups, synthetic = second_stage(settings)
    caches = SceneCaches(
        roots.data_root,
        roots.maps_root,
        roots.data_split,
        settings.cache_dir,
        synthetic.scenes if synthetic else None,
    )
    main = settings.agent.name
    if synthetic is not None:
        groups = groups_of(groups, loaders[main].tokens)
        for name, loader in loaders.items():
            both = StagedLoader(loader, synthetic, groups, wanted[name])
            _warn(both.preflight())
            sources[name] = both
    planned = [
        _plan(settings, roots.data_split, choice, agents[choice.name], sources[choice.name])
        for choice in {item.name: item for item in chosen}.values()
    ]
    results = _score(settings, caches, planned, sources[main].tokens, groups)
    return Evaluation(settings, caches.data_split, results)


def _plan_only(settings: EvaluationRun, agents: Mapping[str, Any], roots: DataRoots) -> Evaluation:
    """Plan both stages of a private test: its scores are made elsewhere."""
    results = []
    loaders = {
        name: PlannedStages(settings, roots, agent.get_sensor_config())
        for name, agent in agents.items()
    }
    for loader in loaders.values():
        for report in loader.preflights().values():
            _warn(report)
    for choice in {item.name: item for item in (settings.agent, *settings.beside)}.values():
        item = _plan(settings, roots.data_split, choice, agents[choice.name], loaders[choice.name])
        failures = failures_of(item.record)
        missing = f"{len(failures)} of {len(item.record)}" if len(failures) else ""
        _write_failures(item.folder, failures)
        plans = text_of(item.name, item.record, roots.data_split)
        results.append(Result(item.name, item.folder, failures, missing, plans=plans))
    return Evaluation(settings, roots.data_split, tuple(results))


def _warn(report: Preflight) -> None:
    """Raise where files are missing; warn of scenes that will fail, which end no run."""
    report.raise_if_missing()
    if report.faults.count:
        logger.warning("%s (%s)", report.faults.summary(report.scenes), report.faults.hint)


def second_stage(settings: EvaluationRun) -> tuple[list[Group], SyntheticData | None]:
    """Groups and synthetic scenes of NAVSIM v2's stage two; none of both where there is one stage.

    Raises:
        DataError: the mapping cannot be read.
    """
    if not settings.two_stage:
        return [], None
    return read_groups(settings.mapping), SyntheticData(*settings.synthetic_folders())


def _plan(
    settings: EvaluationRun, data_split: str, choice: AgentChoice, agent: Any, loader: Loader
) -> Planned:
    name = choice.name
    is_main = name == settings.agent.name
    beside = file_names([agent.name for agent in settings.beside], reserved=("parts",))
    folder = settings.output_dir if is_main else settings.output_dir / beside[name]
    origin = {
        **provenance(name, agent, data_split, len(loader), settings.protocol),
        **({"log_gaps": "scored"} if gaps_are_scored() else {}),
        "traffic": settings.moving,
        "stages": 2 if settings.two_stage else 1,
    }
    identity = {key: origin[key] for key in ("agent", "weights_sha256", "split")}
    # the hash stands for the file of the weights, wherever it lies
    named = {CHECKPOINT} if identity["weights_sha256"] else set()
    identity["arguments"] = choice.arguments(but={"device", *named})
    store = PartStore(folder / "parts" / "inference", ("token",), identity, settings.resume)
    trajectories, record = plan_split(agent, loader, folder, store, origin, settings.batch_size)
    return Planned(name, origin, folder, trajectories, record)


def _score(
    settings: EvaluationRun,
    caches: SceneCaches,
    planned: list[Planned],
    tokens: list[str],
    groups: Sequence[Group],
) -> tuple[Result, ...]:
    # The rows' own keys say with which code and data they were scored: no identity needed.
    store = PartStore(settings.output_dir / "parts" / "scoring", ROW_KEYS, {}, settings.resume)
    trajectories = pd.concat(
        [item.trajectories.assign(candidate=item.name) for item in planned], ignore_index=True
    )
    order = {token: place for place, token in enumerate(tokens)}
    trajectories = trajectories.sort_values(
        "token", key=lambda column: column.map(order), kind="stable", ignore_index=True
    )
    rows = score_trajectories(
        trajectories,
        caches,
        store,
        settings.protocol,
        settings.worker,
        settings.workers,
        traffic=settings.moving,
    )
    return tuple(_write(settings, caches, item, rows, tokens, groups) for item in planned)


def _write(
    settings: EvaluationRun,
    caches: SceneCaches,
    item: Planned,
    rows: pd.DataFrame,
    tokens: list[str],
    groups: Sequence[Group],
) -> Result:
    """Tables of one agent; its failures, with the phase they happened in."""
    own = rows[rows["candidate"] == item.name]
    unplanned = item.record.loc[item.record["status"] == FAILED, ["token", "reason"]]
    unscored = own.loc[own["reason"] != "", ["token", "reason"]]
    failures = pd.concat(
        [unplanned.assign(phase="planning"), unscored.assign(phase="scoring")], ignore_index=True
    )
    missing = f"{len(failures)} of {len(tokens)}" if len(failures) else ""
    result = Result(item.name, item.folder, failures, missing)
    if settings.two_stage:
        result.stages = staged(own, item.trajectories, caches, groups)
        table = result.stages.table
    else:
        table = score_table(tokens, own, settings.protocol)
        fallbacks = int((item.record["status"] == FALLBACK).sum())
        result.summary = summarise(item.name, table, fallbacks)
        if has_modes(item.trajectories):
            result.summary = replace(result.summary, modes=_modes(settings, caches, item))
    more = result.stages.provenance if result.stages is not None else {}
    write_score_table(item.folder, table, {**item.origin, **more})
    _write_failures(item.folder, failures)
    return result


def _processes(settings: EvaluationRun) -> int | None:
    """How many this machine gives; None = one for each core."""
    return settings.workers if settings.worker == "processes" else 1


def _modes(settings: EvaluationRun, caches: SceneCaches, item: Planned) -> dict[str, float]:
    """Tables of every mode of an agent's plans, and the means of the best ones."""
    if settings.moving == REACTIVE:
        logger.warning("the modes of %s are not scored: traffic reacts to one plan", item.name)
        return {}
    workers = _processes(settings) or cores()
    scored = score_modes(item.trajectories, caches, settings.protocol, workers)
    best = best_of(scored, settings.protocol)
    write_parquet(item.folder / "mode_scores.parquet", scored, item.origin)
    write_csv(item.folder / "modes.csv", best)
    return means(best)


def _write_failures(folder: Path, failures: pd.DataFrame) -> None:
    path = folder / "failures.csv"
    if len(failures):
        write_csv(path, failures)
    else:
        path.unlink(missing_ok=True)

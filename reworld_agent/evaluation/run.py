"""`python run_pdm_score.py agent=<name>`: plan a split, score the plans, print the table."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.provenance import provenance
from reworld_agent.core.result_tables import check_writable, write_csv
from reworld_agent.core.shards import PartStore
from reworld_agent.core.vocabulary import LOG_REPLAY, PROTOCOL_CHOICES, check_traffic
from reworld_agent.core.workers import WORKERS
from reworld_agent.evaluation.agents import build_agents
from reworld_agent.evaluation.inference import FAILED, FALLBACK, Loader, plan_split
from reworld_agent.evaluation.scoring import ROW_KEYS, score_trajectories
from reworld_agent.evaluation.staged_loader import StagedLoader, SyntheticData
from reworld_agent.evaluation.stages_config import stage_settings
from reworld_agent.evaluation.tables import (
    AgentSummary,
    format_summary,
    score_table,
    summarise,
    write_score_table,
)
from reworld_agent.evaluation.two_stage import Staged, format_staged, groups_of, staged
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.golden import require_golden
from reworld_agent.pdm.protocols.aggregate import Group
from reworld_agent.scenes.camera_names import CAMERA_NAMES
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.preflight import preflight
from reworld_agent.scenes.sensors import SensorConfig
from reworld_agent.scenes.splits import resolve_split

_SHOWN = 5


@dataclass(frozen=True)
class Settings:
    """The run's own settings; see navsim_configs/reworld_run_pdm_score.yaml.

    `groups` and `synthetic` are there where both stages of NAVSIM v2 are asked for.
    """

    output_dir: Path
    data_split: str
    scene_filter: SceneFilter
    protocol: str = "pdms_v1"
    worker: str = "processes"
    workers: int | None = None
    batch_size: int = 16
    cache_dir: Path | None = None
    resume: bool = True
    traffic: str = LOG_REPLAY
    groups: tuple[Group, ...] = ()
    synthetic: SyntheticData | None = None

    def __post_init__(self) -> None:
        check_traffic(self.traffic, self.protocol)
        for name, known in (("protocol", PROTOCOL_CHOICES), ("worker", WORKERS)):
            value = getattr(self, name)
            if value not in known:
                raise ConfigError(f"{name}={value} is unknown", f"use {name}={' | '.join(known)}")
        for name in ("batch_size", "workers"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ConfigError(f"{name}={value} is no positive number", f"set {name}=1 or more")

    @classmethod
    def from_config(cls, cfg: DictConfig) -> Settings:
        """Read from the composed configuration; raises ConfigError."""
        plain: dict[str, Any] = {
            key: cfg[key]
            for key in ("protocol", "worker", "workers", "batch_size", "resume")
            if cfg.get(key) is not None
        }
        split = cfg.train_test_split
        cache_dir = cfg.get("cache_dir")
        plain |= stage_settings(cfg)
        return cls(
            output_dir=Path(cfg.output_dir).absolute(),
            data_split=str(split.data_split),
            scene_filter=_scene_filter(split.get("scene_filter"), "synthetic" in plain),
            cache_dir=Path(cache_dir).absolute() if cache_dir else None,
            **plain,
        )


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
    """What phase two gave for an agent: its line of the table, or its two stages; its failures."""

    name: str
    failures: pd.DataFrame
    missing: str
    summary: AgentSummary | None = None
    stages: Staged | None = None


def run(cfg: DictConfig) -> int:
    """Plan, score, write and print.

    Args:
        cfg: the composed configuration.

    Returns:
        0 where every scene of every agent has a score, else 1 (the scenes are named).

    Raises:
        ReWorldError: the run cannot start, or cannot write; finished work is kept.
    """
    settings = Settings.from_config(cfg)
    check_writable(settings.output_dir)
    require_golden()
    agents = build_agents(cfg)
    wanted = {name: agent.get_sensor_config() for name, agent in agents.items()}
    roots = resolve_split(settings.data_split, _cameras(wanted.values()))
    loaders = {name: roots.loader(settings.scene_filter, wish) for name, wish in wanted.items()}
    for name, agent in agents.items():
        preflight(loaders[name], wanted[name], agent.requires_scene).raise_if_missing()
    synthetic = settings.synthetic
    caches = SceneCaches(
        roots.data_root,
        roots.maps_root,
        roots.data_split,
        settings.cache_dir,
        synthetic.scenes if synthetic else None,
    )
    main = next(iter(agents))
    sources: dict[str, Loader] = dict(loaders)
    if synthetic is not None:
        groups = groups_of(settings.groups, loaders[main].tokens)
        settings = replace(settings, groups=tuple(groups))
        for name, loader in loaders.items():
            both = StagedLoader(loader, synthetic, groups, wanted[name])
            both.preflight().raise_if_missing()
            sources[name] = both
    planned = [
        _plan(settings, caches, name, agent, sources[name], is_main=name == main)
        for name, agent in agents.items()
    ]
    return _score(settings, caches, planned, sources[main].tokens)


def _plan(
    settings: Settings,
    caches: SceneCaches,
    name: str,
    agent: Any,
    loader: Loader,
    is_main: bool,
) -> Planned:
    folder = settings.output_dir if is_main else settings.output_dir / name
    origin = {
        **provenance(name, agent, caches.data_split, len(loader), settings.protocol),
        "traffic": settings.traffic,
        "stages": 2 if settings.synthetic else 1,
    }
    identity = {key: origin[key] for key in ("agent", "weights_sha256", "split")}
    store = PartStore(folder / "parts" / "inference", ("token",), identity, settings.resume)
    trajectories, record = plan_split(agent, loader, folder, store, origin, settings.batch_size)
    return Planned(name, origin, folder, trajectories, record)


def _score(
    settings: Settings, caches: SceneCaches, planned: list[Planned], tokens: list[str]
) -> int:
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
        traffic=settings.traffic,
    )
    results = [_write(settings, caches, item, rows, tokens) for item in planned]
    print(_printed(settings, results, caches.data_split))
    print(f"results in {settings.output_dir}")
    failed = [entry for entry in results if entry.missing]
    for entry in failed:
        _report_failures(entry)
    if failed:
        print(
            f"  all of them: failures.csv in each agent's folder\n  next: fix the data and start "
            f"again with output_dir={settings.output_dir}; finished scenes are kept",
            file=sys.stderr,
        )
    return 1 if failed else 0


def _write(
    settings: Settings,
    caches: SceneCaches,
    item: Planned,
    rows: pd.DataFrame,
    tokens: list[str],
) -> Result:
    """Tables of one agent; its failures, with the phase they happened in."""
    own = rows[rows["candidate"] == item.name]
    unplanned = item.record.loc[item.record["status"] == FAILED, ["token", "reason"]]
    unscored = own.loc[own["reason"] != "", ["token", "reason"]]
    failures = pd.concat(
        [unplanned.assign(phase="planning"), unscored.assign(phase="scoring")], ignore_index=True
    )
    missing = f"{len(failures)} of {len(tokens)}" if len(failures) else ""
    result = Result(item.name, failures, missing)
    if settings.synthetic is not None:
        result.stages = staged(own, item.trajectories, caches, settings.groups)
        table = result.stages.table
    else:
        table = score_table(tokens, own, settings.protocol)
        fallbacks = int((item.record["status"] == FALLBACK).sum())
        result.summary = summarise(item.name, table, fallbacks)
    write_score_table(item.folder, table, item.origin)
    path = item.folder / "failures.csv"
    if len(failures):
        write_csv(path, failures)
    else:
        path.unlink(missing_ok=True)
    return result


def _printed(settings: Settings, results: list[Result], data_split: str) -> str:
    summaries = [entry.summary for entry in results if entry.summary is not None]
    if summaries:
        return format_summary(summaries, settings.protocol, data_split)
    stages = [(entry.name, entry.stages) for entry in results if entry.stages is not None]
    return "\n\n".join(format_staged(name, found, data_split) for name, found in stages)


def _report_failures(result: Result) -> None:
    print(f"error: {result.name}: {result.missing} scenes have no score", file=sys.stderr)
    for row in result.failures.head(_SHOWN).itertuples():
        print(f"  {row.token} ({row.phase}): {row.reason}", file=sys.stderr)


def _scene_filter(cfg: DictConfig | None, two_stages: bool) -> SceneFilter:
    """Our own filter, of stage one, from the settings of either host's."""
    settings: Any = OmegaConf.to_container(cfg, resolve=True) if cfg is not None else {}
    if two_stages:
        settings["include_synthetic_scenes"] = False
    known = {item.name for item in fields(SceneFilter)}
    unknown = sorted(key for key in settings if key not in known and not key.startswith("_"))
    if unknown:
        raise ConfigError(
            f"scene_filter.{unknown[0]} is unknown", f"known: {', '.join(sorted(known))}"
        )
    return SceneFilter(**{key: value for key, value in settings.items() if key in known})


def _cameras(wishes: Iterable[SensorConfig]) -> tuple[str, ...]:
    """Cameras that any agent asks for, as an embedded split names them."""
    wishes = list(wishes)
    wanted = [name for name in CAMERA_NAMES if any(getattr(wish, name) for wish in wishes)]
    return tuple(name.upper() for name in wanted)

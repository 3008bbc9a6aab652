"""Can every log, map, image and point cloud be read that a run would open?

Logs are read whole, maps layer by layer; of images and point clouds each is looked for, and some
are opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from reworld_agent.core.errors import ConfigError, DataError, ReWorldError
from reworld_agent.core.findings import FAIL, OK, WARN, Finding
from reworld_agent.core.vocabulary import EPDMS_V2
from reworld_agent.scenes.preflight import Files, Preflight, preflight

if TYPE_CHECKING:
    from reworld_agent.evaluation.agent_choice import AgentChoice
    from reworld_agent.evaluation.settings import EvaluationRun
    from reworld_agent.scenes.sensors import SensorConfig
    from reworld_agent.scenes.split_settings import SplitSettings
    from reworld_agent.scenes.splits import DataRoots

_SHOWN = 3
_FUTURE = "stage {} needs the images of the 4 s after each scene; navtrain has none of them: "


def check_data(
    overrides: Sequence[str], stage: str | None = None, workers: int | None = 1
) -> Iterator[Finding]:
    """Everything that `reworld score` (or, with a stage, `reworld train`) would open.

    Args:
        overrides: Hydra words, such as `agent=human`, `train_test_split=navtest`.
        stage: training stage.
        workers: processes that open logs, where there are many; None takes one for each core.

    Raises:
        ReWorldError: the words name no split, no agent, or a split that is not there.
    """
    from reworld_agent.evaluation.compose import TRAIN, compose
    from reworld_agent.evaluation.settings import EvaluationRun
    from reworld_agent.scenes.sensors import cameras_of
    from reworld_agent.scenes.splits import resolve_split

    run: EvaluationRun | None = None
    if stage is None:
        run = EvaluationRun.from_config(_of_its_protocol(compose(overrides)))
        split, chosen = run.train_test_split, run.agent
    else:
        split, chosen = _of_training(compose([*overrides, f"stage={stage}"], TRAIN))
    agent = _agent(chosen)
    sensors = agent.get_sensor_config()
    roots = resolve_split(split.data_split, cameras_of([sensors]) or ("CAM_F0",))
    broken = _broken_logs(roots.logs, workers)
    if broken:
        yield _logs_finding(roots.logs, broken)
        return
    if run is not None and run.plans_only:
        yield from _private(run, roots, sensors)
        return
    loader = roots.loader(split.scene_filter, sensors)
    history = split.scene_filter.num_history_frames
    future = bool(sensors.get_sensors_at_iteration(history))
    whole = agent.requires_scene or stage is not None
    report = preflight(loader, sensors, whole, maps=stage in (None, "4"), workers=workers)
    hint = _FUTURE.format(stage) if stage is not None and future else ""
    yield from _findings(report, roots.data_split, hint)
    if run is not None and run.two_stage:
        yield _second_stage(run, loader)


def _of_its_protocol(cfg: Any) -> Any:
    """A split of two stages is of one protocol, which the doctor need not ask for."""
    if (cfg.train_test_split.get("scene_filter") or {}).get("include_synthetic_scenes"):
        cfg.protocol = EPDMS_V2
    return cfg


def _of_training(cfg: Any) -> tuple[SplitSettings, AgentChoice]:
    """The split and the agent of a training's configuration, the agent as it is trained."""
    from reworld_agent.core.configs import plain
    from reworld_agent.core.sections import from_mapping
    from reworld_agent.evaluation.agent_choice import read_agent
    from reworld_agent.scenes.split_settings import SplitSettings

    values = plain(cfg)
    agent = read_agent(values["agent"])
    agent = agent.given(purpose="train") if "purpose" in agent.config else agent
    return from_mapping(SplitSettings, values["train_test_split"]), agent


def _agent(choice: AgentChoice) -> Any:
    """The agent without its weights: only what it would open is asked of it."""
    import torch

    from reworld_agent.evaluation.agents import build_agent

    with torch.device("meta"):
        return build_agent(choice)


def _broken_logs(folder: Path, workers: int | None) -> list[str]:
    """Logs of the split that cannot be read, with the reason."""
    from reworld_agent.scenes.log_index import open_index

    index = open_index(folder)
    found = index.read(workers=workers)
    broken = [entry.message for entry in found if isinstance(entry, DataError)]
    index.keep()
    return broken


def _logs_finding(folder: Path, broken: list[str]) -> Finding:
    rest = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
    what = f"{len(broken)} logs of {folder} cannot be read: {'; '.join(broken[:_SHOWN])}{rest}"
    return Finding("logs", FAIL, what, "delete these files and download them again")


def _findings(report: Preflight, split: str, hint: str) -> Iterator[Finding]:
    errors = list(report.errors())
    scenes = [error for error in errors if isinstance(error, ConfigError)]
    if scenes:
        yield from (Finding("scenes", FAIL, e.message, e.hint or "") for e in scenes)
    else:
        what = f"{report.scenes:,} scenes of {report.logs:,} logs of split {split}"
        yield Finding("scenes", OK, what)
    if report.faults.count:
        faults = report.faults
        yield Finding("scene data", FAIL, faults.summary(report.scenes), faults.hint)
    yield from _opened_maps(report)
    kinds = (
        ("maps", "city maps", report.maps, "city"),
        ("images", "images", report.images, "sensor"),
        ("lidar", "point clouds", report.point_clouds, "lidar"),
    )
    for name, noun, files, download in kinds:
        if files.total:
            found = _opened(name, files) or _files(name, noun, files, split, download, hint)
            if found.status == FAIL and report.to_link and name != "maps":
                found = Finding(name, FAIL, found.what, f"{hint}{report.to_link}")
            if found.status == FAIL and name == "maps":
                found = Finding(name, FAIL, found.what, report.maps_hint)
            yield found


def _private(run: EvaluationRun, roots: DataRoots, sensors: SensorConfig) -> Iterator[Finding]:
    """Both stages of a private test, which are planned and not scored."""
    from reworld_agent.evaluation.plans_only import PlannedStages

    for stage, report in PlannedStages(run, roots, sensors).preflights().items():
        for finding in _findings(report, roots.data_split, ""):
            yield Finding(f"{stage}: {finding.name}", finding.status, finding.what, finding.fix)


def _second_stage(run: EvaluationRun, loader: Any) -> Finding:
    """The synthetic scenes of NAVSIM v2; DataError where one is missing."""
    from reworld_agent.evaluation.run import second_stage
    from reworld_agent.evaluation.staged_loader import StagedLoader
    from reworld_agent.evaluation.two_stage import groups_of, stage_tokens

    mapping, synthetic = second_stage(run)
    assert synthetic is not None
    groups = groups_of(mapping, loader.tokens)
    StagedLoader(loader, synthetic, groups, loader.sensor_config)  # looks for each
    count = len(stage_tokens(groups)[1])
    return Finding("second stage", OK, f"{count:,} scenes in {synthetic.scenes}")


def _files(name: str, noun: str, files: Files, split: str, download: str, hint: str) -> Finding:
    if not files.missing:
        opened = f", {len(files.sample)} of them opened" if files.sample and name != "maps" else ""
        return Finding(name, OK, f"{files.total:,} {noun}, all there{opened}")
    size = files.bytes_to_fetch / 1e9
    measured = "by the size of those that are there" if files.sizes else "by their usual size"
    what = f"{files.summary(noun)}; about {size:.2g} GB to fetch ({measured})"
    fix = (
        f"{hint}download the {download} data of split {split}, or leave logs out: "
        "train_test_split.scene_filter.log_names=[...]"
    )
    return Finding(name, FAIL, what, fix)


def _opened_maps(report: Preflight) -> Iterator[Finding]:
    """Every layer of every map of the split is opened."""
    from reworld_agent.scenes.maps.inspect import inspect_map

    paths = report.map_paths
    for path in tqdm(paths, desc="opening maps", unit="map", delay=3.0, leave=False):
        try:
            odd = inspect_map(path)
        except DataError as error:
            yield Finding("maps", FAIL, error.message, f"{error.hint}; {report.maps_hint}")
            report.maps.total = 0
            continue
        if odd:
            yield Finding(
                "maps", WARN, f"{path}: {'; '.join(odd)}", "compare with another download"
            )


def _opened(name: str, files: Files) -> Finding | None:
    """Some images or point clouds are read as a run reads them; None where all can be."""
    from reworld_agent.scenes.pcd import read_pcd
    from reworld_agent.scenes.sensors import read_image

    readers: dict[str, Callable[[Path], Any]] = {"images": read_image, "lidar": read_pcd}
    if name not in readers:
        return None
    broken = []
    for path in tqdm(files.sample, desc=f"opening {name}", delay=3.0, leave=False):
        try:
            readers[name](path)
        except ReWorldError as error:
            broken.append(error)
    if not broken:
        return None
    shown = "; ".join(error.message for error in broken[:_SHOWN])
    what = f"{len(broken)} of {len(files.sample)} that were opened cannot be read: {shown}"
    return Finding(name, FAIL, what, broken[0].hint or "")

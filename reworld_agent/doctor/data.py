"""Does every log, image, point cloud and map exist that a run would open?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.findings import FAIL, OK, Finding
from reworld_agent.scenes.preflight import Files, Preflight, preflight

_SHOWN = 3
_FUTURE = "stage {} needs the images of the 4 s after each scene; navtrain has none of them: "
_MAPS = "export NUPLAN_MAPS_ROOT=<folder with nuplan-maps-v1.0.json>, or download the maps"
_SQLITE = b"SQLite format 3\x00"  # what a GeoPackage starts with


def check_data(overrides: Sequence[str], stage: str | None = None) -> Iterator[Finding]:
    """Everything that `reworld score` (or, with a stage, `reworld train`) would open.

    Args:
        overrides: Hydra words, such as `agent=human`, `train_test_split=navtest`.
        stage: training stage.

    Raises:
        ReWorldError: the words name no split, no agent, or a split that is not there.
    """
    from omegaconf import OmegaConf

    from reworld_agent.evaluation.run import Settings
    from reworld_agent.scenes.camera_names import CAMERA_NAMES
    from reworld_agent.scenes.splits import resolve_split

    cfg = compose(overrides, stage)
    # a training's protocol is the one that its stage follows, not a score's
    told = cfg if stage is None else OmegaConf.masked_copy(cfg, [k for k in cfg if k != "protocol"])
    settings = Settings.from_config(told)
    agent = _agent(cfg, stage)
    sensors = agent.get_sensor_config()
    cameras = tuple(name.upper() for name in CAMERA_NAMES if getattr(sensors, name))
    roots = resolve_split(settings.data_split, cameras or ("CAM_F0",))
    broken = list(_broken_logs(roots.logs))
    if broken:
        yield _logs_finding(roots.logs, broken)
        return
    loader = roots.loader(settings.scene_filter, sensors)
    history = settings.scene_filter.num_history_frames
    future = bool(sensors.get_sensors_at_iteration(history))
    whole = agent.requires_scene or stage is not None
    report = preflight(loader, sensors, whole, maps=stage is None)
    hint = _FUTURE.format(stage) if stage is not None and future else ""
    yield from _findings(report, roots.data_split, hint)
    if settings.synthetic is not None:
        yield _second_stage(settings, loader)


def compose(overrides: Sequence[str], stage: str | None = None) -> Any:
    """The configuration that `reworld score` or `reworld train` would have.

    Raises:
        ConfigError: Hydra cannot compose it.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    name = "reworld_run_pdm_score" if stage is None else "reworld_run_training"
    words = [*overrides, *([] if stage is None else [f"stage={stage}"])]
    try:
        with hydra.initialize_config_module("navsim_configs", version_base="1.3"):
            return hydra.compose(name, overrides=words)
    except (HydraException, OmegaConfBaseException) as error:
        lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
        raise ConfigError(
            f"cannot compose {' '.join(words)}: {lines[0]}",
            "see reworld score --help; splits of the benchmark need NAVSIM_DEVKIT_ROOT",
        ) from error


def _agent(cfg: Any, stage: str | None) -> Any:
    """The agent without its weights: only what it would open is asked of it."""
    import hydra
    import torch
    from hydra.errors import InstantiationException

    from reworld_agent.core.errors import ReWorldError

    purpose = {} if stage is None or "purpose" not in cfg.agent else {"purpose": "train"}
    try:
        with torch.device("meta"):
            return hydra.utils.instantiate(cfg.agent, **purpose)
    except InstantiationException as error:
        if isinstance(error.__cause__, ReWorldError):
            raise error.__cause__ from error
        raise ConfigError(f"the agent cannot be built: {str(error).splitlines()[0]}") from error


def _broken_logs(folder: Path) -> Iterator[str]:
    """Logs of the split that cannot be read, with the reason."""
    from reworld_agent.scenes.log_index import open_index

    index = open_index(folder)
    for path in index.progress(index.paths):
        try:
            index.entry(path)
        except DataError as error:
            yield error.message
    index.keep()


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
    broken = [path for path in report.map_paths if not _is_sqlite(path)]
    if broken:
        what = f"no GeoPackage: {', '.join(map(str, broken))}"
        yield Finding("maps", FAIL, what, _MAPS)
        report.maps.total = 0
    kinds = (
        ("maps", "city maps", report.maps, "city"),
        ("images", "images", report.images, "sensor"),
        ("lidar", "point clouds", report.point_clouds, "lidar"),
    )
    for name, noun, files, download in kinds:
        if files.total:
            yield _files(name, noun, files, split, download, hint)


def _second_stage(settings: Any, loader: Any) -> Finding:
    """The synthetic scenes of NAVSIM v2; DataError where one is missing."""
    from reworld_agent.evaluation.staged_loader import StagedLoader
    from reworld_agent.evaluation.two_stage import groups_of, stage_tokens

    groups = groups_of(settings.groups, loader.tokens)
    StagedLoader(loader, settings.synthetic, groups, loader.sensor_config)  # looks for each
    count = len(stage_tokens(groups)[1])
    return Finding("second stage", OK, f"{count:,} scenes in {settings.synthetic.scenes}")


def _files(name: str, noun: str, files: Files, split: str, download: str, hint: str) -> Finding:
    if not files.missing:
        return Finding(name, OK, f"{files.total:,} {noun}, all there")
    size = files.bytes_to_fetch / 1e9
    measured = "by the size of those that are there" if files.sizes else "by their usual size"
    what = f"{files.told(noun)}; about {size:.2g} GB to fetch ({measured})"
    fix = (
        f"{hint}download the {download} data of split {split}, or leave logs out: "
        "train_test_split.scene_filter.log_names=[...]"
    )
    if name == "maps":
        fix = _MAPS
    return Finding(name, FAIL, what, fix)


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_SQLITE)) == _SQLITE

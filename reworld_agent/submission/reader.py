"""Reading a submission of anyone: containers, arrays, the devkit's two classes, and no code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reworld_agent.core.errors import DataError
from reworld_agent.core.text import shown
from reworld_agent.core.unpickle import Record, load_pickle
from reworld_agent.pdm.poses import interval_of
from reworld_agent.submission.contents import Plan, Submission
from reworld_agent.submission.fields import STAGES
from reworld_agent.submission.writer import SAMPLING, TRAJECTORY

_REBUILD = "build it again: reworld submit RUN version=... output=FILE.pkl"


class _Trajectory(Record):
    """Stands for `navsim.common.dataclasses.Trajectory`."""


class _Sampling(Record):
    """Stands for nuPlan's `TrajectorySampling`."""


class _Config(Record):
    """Stands for a list, table or value of omegaconf, as `authors=[a,b]` of the devkit's script."""

    def __setstate__(self, state: Any) -> None:
        """What it holds is kept, nothing else."""
        kept = ("_content", "_val")
        fields = state if isinstance(state, dict) else {}
        super().__setstate__({key: fields[key] for key in kept if key in fields})


class _Dropped(Record):
    """Stands for what omegaconf notes beside its values: types, parents, caches."""

    def __new__(cls, *args: Any) -> _Dropped:
        """Without what it was made with."""
        made: _Dropped = object.__new__(cls)
        made.args, made.fields = (), {}
        return made

    def __setstate__(self, state: Any) -> None:
        """Nothing of it is needed."""


_CLASSES: dict[tuple[str, str], type[Record]] = {TRAJECTORY: _Trajectory, SAMPLING: _Sampling}
_CLASSES |= {
    (f"omegaconf.{module}", name): _Config
    for module, names in {
        "listconfig": ("ListConfig",),
        "dictconfig": ("DictConfig",),
        "nodes": ("AnyNode", "StringNode", "IntegerNode", "FloatNode", "BooleanNode"),
    }.items()
    for name in names
}
_CLASSES |= {("omegaconf.base", name): _Dropped for name in ("Metadata", "ContainerMetadata")}
_CLASSES |= {("typing", "Any"): _Dropped, ("collections", "defaultdict"): _Dropped}
_CLASSES |= {
    (module, name): _Dropped
    for module in ("builtins", "__builtin__")
    for name in ("list", "dict", "int", "str", "float", "bool", "tuple", "long")
}
_DEEPEST = 20  # lists in lists of a configuration


def _load(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"{shown(path)}: no such file", "name it with check=FILE.pkl")
    try:
        return load_pickle(path, classes=_CLASSES, needed_by="submission")
    except DataError as error:
        raise DataError(error.message, _REBUILD) from error


def read(path: Path) -> Submission:
    """The content of a submission file, of either version.

    Raises:
        DataError: the file is missing, truncated, names other classes than a submission needs, or
            is no submission; says what its keys are.
    """
    content = _load(path)
    if not isinstance(content, dict):
        raise DataError(f"{shown(path)}: holds a {type(content).__name__}, no dictionary", _REBUILD)
    version = next((v for v, keys in STAGES.items() if set(keys) <= content.keys()), None)
    if version is None:
        known = "; ".join(f"v{v}: {', '.join(keys)}" for v, keys in STAGES.items())
        raise DataError(
            f"{shown(path)}: no predictions; its keys are {', '.join(map(str, content))}",
            f"keys of a submission: {known}",
        )
    stages = {key: _seeds(content[key], f"{shown(path)}: {key}") for key in STAGES[version]}
    rest = [key for key in content if key not in STAGES[version]]
    fields = {str(key): _plain(content[key], f"{shown(path)}: {key}") for key in rest}
    return Submission(version, fields, stages)


def _plain(value: Any, where: str, depth: int = 0) -> Any:
    """A value of a configuration as omegaconf would give it: lists, tables, texts, numbers."""
    if not isinstance(value, _Config):
        return value
    content = value.fields.get("_content", value.fields.get("_val"))
    if depth > _DEEPEST or isinstance(content, Record):
        raise DataError(f"{where} is a configuration of another layout", _REBUILD)
    if isinstance(content, list):
        return [_plain(item, where, depth + 1) for item in content]
    if isinstance(content, dict):
        return {key: _plain(item, where, depth + 1) for key, item in content.items()}
    return content


def _seeds(value: Any, where: str) -> tuple[dict[str, Plan], ...]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise DataError(
            f"{where} is a {type(value).__name__}, not a list of dictionaries", _REBUILD
        )
    return tuple(_plans(item, where) for item in value)


def _plans(value: Mapping[Any, Any], where: str) -> dict[str, Plan]:
    plans = {}
    for token, trajectory in value.items():
        if not isinstance(token, str):
            raise DataError(f"{where}: the token {token!r} is no text", _REBUILD)
        if not isinstance(trajectory, _Trajectory):
            kind = type(trajectory).__name__
            raise DataError(
                f"{where}: token {token} holds a {kind}, no navsim Trajectory", _REBUILD
            )
        plans[token] = _plan(trajectory, f"{where}: token {token}")
    return plans


def _plan(trajectory: _Trajectory, where: str) -> Plan:
    poses, sampling = (trajectory.fields.get(key) for key in ("poses", "trajectory_sampling"))
    said = sampling.fields if isinstance(sampling, _Sampling) else {}
    interval, count = said.get("interval_length"), said.get("num_poses")
    horizon = said.get("time_horizon")
    if not isinstance(poses, np.ndarray) or poses.dtype.kind != "f":
        raise DataError(f"{where}: its poses are no array of real numbers", _REBUILD)
    if not isinstance(interval, float):
        raise DataError(f"{where}: it has no sampling with an interval_length", _REBUILD)
    if poses.ndim != 2 or poses.shape != (count, 3):
        raise DataError(
            f"{where}: poses of shape {poses.shape}, its sampling says ({count}, 3)", _REBUILD
        )
    try:
        interval_of(len(poses), interval)
    except DataError as error:
        raise DataError(f"{where}: {error.message}", _REBUILD) from error
    # The devkit gives times to as many poses as fit into the horizon, and forgets the others.
    if not isinstance(horizon, float) or not np.ceil(horizon / interval) >= len(poses):
        what = f"{count} poses every {interval:g} s do not fit into its time_horizon {horizon}"
        raise DataError(f"{where}: {what}", _REBUILD)
    return Plan(poses, interval)

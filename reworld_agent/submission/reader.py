"""Reading a submission of anyone: containers, arrays, the devkit's two classes, and no code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reworld_agent.core.errors import DataError
from reworld_agent.core.text import shown
from reworld_agent.core.unpickle import _AllowListUnpickler
from reworld_agent.pdm.poses import interval_of
from reworld_agent.submission.contents import Plan, Submission
from reworld_agent.submission.fields import STAGES
from reworld_agent.submission.writer import SAMPLING, TRAJECTORY

_REBUILD = "build it again: reworld submit RUN version=... output=FILE.pkl"


class _Trajectory:
    """Stands for `navsim.common.dataclasses.Trajectory`; unpickling sets its attributes."""

    poses: Any
    trajectory_sampling: Any


class _Sampling:
    """Stands for nuPlan's `TrajectorySampling`."""

    num_poses: Any
    time_horizon: Any
    interval_length: Any


class _Unpickler(_AllowListUnpickler):
    def find_class(self, module: str, name: str) -> Any:
        """The devkit's two classes, under their full names alone; else as for any log."""
        known = {TRAJECTORY: _Trajectory, SAMPLING: _Sampling}
        return known.get((module, name)) or super().find_class(module, name)


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as stream:
            return _Unpickler(stream, path, ()).load()
    except FileNotFoundError as error:
        raise DataError(f"{shown(path)}: no such file", "name it with check=FILE.pkl") from error
    except DataError as error:
        what = error.message.replace("no NAVSIM log needs", "no submission needs")
        raise DataError(what, _REBUILD) from error
    except Exception as error:  # damaged bytes make the unpickler raise nearly anything
        raise DataError(f"{shown(path)}: not a whole pickle ({error})", _REBUILD) from error


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
    fields = {str(key): value for key, value in content.items() if key not in STAGES[version]}
    return Submission(version, fields, stages)


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
    poses = getattr(trajectory, "poses", None)
    sampling = getattr(trajectory, "trajectory_sampling", None)
    interval = getattr(sampling, "interval_length", None)
    if not isinstance(poses, np.ndarray) or poses.dtype.kind != "f":
        raise DataError(f"{where}: its poses are no array of real numbers", _REBUILD)
    if not isinstance(interval, float):
        raise DataError(f"{where}: it has no sampling with an interval_length", _REBUILD)
    count = getattr(sampling, "num_poses", None)
    horizon = getattr(sampling, "time_horizon", None)
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

"""Writing the file: the devkit's classes by name, so that the devkit need not be installed.

A pickle names a class by its module and never holds it. Python's own pickler looks the name up
first, which fails where the devkit is absent; this one does not. Arrays are named as numpy 1 names
them (`numpy.core`), which numpy 2 reads as well; what numpy 2 writes, numpy 1.23 of the devkit's
pinned environment cannot read.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from reworld_agent.core.atomic import write_atomically
from reworld_agent.submission.contents import Plans, Submission

PROTOCOL = 4  # what Python 3.9, the devkit's, writes
TRAJECTORY = ("navsim.common.dataclasses", "Trajectory")
SAMPLING = ("nuplan.planning.simulation.trajectory.trajectory_sampling", "TrajectorySampling")
_RECONSTRUCT = ("numpy.core.multiarray", "_reconstruct")


@dataclass(frozen=True)
class _Name:
    """A class or function that is named and never imported."""

    module: str
    name: str


@dataclass(frozen=True)
class _Instance:
    """An object of a named class, made without its `__init__`, and its attributes."""

    kind: _Name
    attributes: dict[str, Any]


_PythonPickler: Any = pickle._Pickler  # the one written in Python, whose steps can be told apart
_NAMES = {key: _Name(*key) for key in (TRAJECTORY, SAMPLING, _RECONSTRUCT)}


class _DevkitPickler(_PythonPickler):
    """Writes `_Name` and `_Instance` as the objects that they stand for."""

    dispatch: ClassVar[dict[type, Callable[..., None]]] = dict(_PythonPickler.dispatch)

    def _save_name(self, item: _Name) -> None:
        self.save(item.module)
        self.save(item.name)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(item)

    def _save_instance(self, item: _Instance) -> None:
        self.save(item.kind)
        self.write(pickle.EMPTY_TUPLE + pickle.NEWOBJ)
        self.memoize(item)
        self.save(item.attributes)
        self.write(pickle.BUILD)

    def _save_array(self, array: np.ndarray[Any, Any]) -> None:
        reduced: Any = array.__reduce__()
        _, arguments, state = reduced
        self.save(_NAMES[_RECONSTRUCT])
        self.save(arguments)
        self.write(pickle.REDUCE)
        self.memoize(array)
        self.save(state)
        self.write(pickle.BUILD)

    dispatch[_Name] = _save_name
    dispatch[_Instance] = _save_instance
    dispatch[np.ndarray] = _save_array


def write(submission: Submission, path: Path) -> None:
    """Write the file in one step; raises DataError where it cannot be written."""
    content: dict[str, Any] = dict(submission.fields)
    samplings: dict[tuple[int, float], _Instance] = {}
    for key, seeds in submission.stages.items():
        content[key] = [_instances(plans, samplings) for plans in seeds]

    def fill(partial: Path) -> None:
        with partial.open("wb") as stream:
            dump(content, stream)

    write_atomically(path, fill)


def dump(content: Any, stream: BinaryIO) -> None:
    """Pickle plain containers that may hold `_Instance`s and arrays."""
    _DevkitPickler(stream, PROTOCOL).dump(content)


def _instances(plans: Plans, samplings: dict[tuple[int, float], _Instance]) -> dict[str, _Instance]:
    """The devkit's trajectories; those sampled alike share the object that says how."""
    found = {}
    for token, plan in plans.items():
        key = (len(plan.poses), plan.interval_s)
        if key not in samplings:
            samplings[key] = _Instance(
                _NAMES[SAMPLING],
                {
                    "num_poses": key[0],
                    "time_horizon": key[0] * key[1],
                    "interval_length": key[1],
                },
            )
        poses = np.ascontiguousarray(plan.poses)
        attributes = {"poses": poses, "trajectory_sampling": samplings[key]}
        found[token] = _Instance(_NAMES[TRAJECTORY], attributes)
    return found

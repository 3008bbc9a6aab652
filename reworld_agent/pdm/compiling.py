"""Compiling the kernels at first use: all of them, in two processes or more at the same time.

Numba compiles behind one lock, so that threads do not help. Every process writes what it has
compiled into the cache on disk, from which the others read it.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

from reworld_agent.pdm.kernel_cache import KernelCache
from reworld_agent.pdm.metrics import drivable_area, history_comfort
from reworld_agent.pdm.pdm_closed import proposals
from reworld_agent.pdm.scene_cache import N_STEPS
from reworld_agent.pdm.scorer import common, extended
from reworld_agent.pdm.simulate import sampling, tracker
from reworld_agent.pdm.world import grid, grid_build, red_lights, scenery

MAX_PROCESSES = 4
# Seconds that each kernel takes in a process that has compiled others.
_COST_S = {
    "score_states": 4.0,
    "unroll": 2.1,
    "simulate": 0.9,
    "_rasterise": 0.9,
    "extended_metrics": 0.8,
    "distances_outside": 0.8,
    "history_comfort": 0.5,
    "reference_poses": 0.4,
    "_read_rings": 0.4,
    "_lay_tracks": 0.2,
    "_sort_by_cell": 0.2,
}
# And how much more where another is compiled elsewhere, many of whose helpers it calls.
_MORE_S = {("extended_metrics", "score_states"): 0.6}


def _examples() -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Each kernel that PDMS and EPDMS need, with arguments of the types that it is called with."""
    one, two, three = np.empty(0), np.empty((0, 0)), np.empty((0, 0, 0))
    whole, whole_two = np.empty(0, np.int64), np.empty((0, 0), np.int64)
    short, short_two = np.empty(0, np.int32), np.empty((0, 0), np.int32)
    yes, yes_two = np.empty(0, np.bool_), np.empty((0, 0), np.bool_)
    raster = grid.Grid(two, whole_two, two, one, short_two, short_two, short)
    scene = scenery.Scenery(one, raster, scenery.Traffic(three, two, two), two, one, two)
    lights = red_lights.RedLights(two, whole, whole, two, yes_two)
    course = proposals.Course(three, two, three, one)
    hits = proposals.Hits(whole, whole)
    obstacles = proposals.Obstacles(two, whole, whole, two, two, one, yes)
    marks = (short_two, yes_two, whole_two, short_two)
    return {
        "score_states": (common.score_states, (three, scene, 0)),
        "unroll": (proposals.unroll, (course, 0.0, one, hits, obstacles)),
        "history_comfort": (
            history_comfort.history_comfort,
            (three, two, history_comfort.filters(N_STEPS), two),
        ),
        "simulate": (tracker.simulate, (one, three)),
        "_rasterise": (
            grid_build._rasterise,
            (two, whole_two, two, one, *marks, short_two, short, short_two, short),
        ),
        "extended_metrics": (extended.extended_metrics, (three, scene, lights, two)),
        "reference_poses": (sampling.reference_poses, (one, three, whole, whole)),
        "distances_outside": (drivable_area.distances_outside, (raster, one, three, two)),
        "_read_rings": (
            grid_build._read_rings,
            (two, short, short, one, two, whole_two, two, whole),
        ),
        "_sort_by_cell": (grid_build._sort_by_cell, (0, short, short_two, short_two, short_two)),
        "_lay_tracks": (scenery._lay_tracks, (three, two, one, three, two)),
    }


def kernels() -> dict[str, Any]:
    """The compiled functions that PDMS and EPDMS need, by name."""
    return {name: kernel for name, (kernel, _) in _examples().items()}


def _is_on_disk(kernel: Any) -> bool:
    cache = kernel._cache
    return not isinstance(cache, KernelCache) or cache.is_on_disk()  # without one: by need


def _shares(names: Sequence[str], n: int) -> list[list[str]]:
    """The names in `n` groups of about the same cost; the dearest kernel is in the first."""
    groups: list[list[str]] = [[] for _ in range(n)]
    for name in sorted(names, key=lambda name: -_COST_S[name]):
        min(groups, key=lambda group: _cost_s([*group, name])).append(name)
    return [group for group in groups if group]


def _cost_s(names: Sequence[str]) -> float:
    """Seconds that one process takes for these kernels, but for its start."""
    apart = [(name, other) for name, other in _MORE_S if name in names and other not in names]
    return sum(_COST_S[name] for name in names) + sum(_MORE_S[pair] for pair in apart)


def compile_kernels(names: Sequence[str]) -> None:
    """Compile kernels in this process, or read them from the cache on disk."""
    examples = _examples()
    for name in names:
        kernel, arguments = examples[name]
        kernel.compile(tuple(numba.typeof(argument) for argument in arguments))


@cache
def ensure_compiled() -> None:
    """Compile what is not in the cache on disk; returns at once from the second call on.

    Processes of a pool compile by need: their parent calls this before it starts them.
    """
    missing = [name for name, kernel in kernels().items() if not _is_on_disk(kernel)]
    n = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2, MAX_PROCESSES)
    if n < 2 or len(missing) < 2 or not sys.executable or multiprocessing.parent_process():
        return
    own, *others = _shares(missing, n)
    children = [_start(share) for share in others]
    compile_kernels(own)
    for child in children:  # one that fails leaves its kernels to be compiled by need
        child.wait()


def _start(names: Sequence[str]) -> subprocess.Popen[bytes]:
    code = (
        "import sys; from reworld_agent.core.guards.parents import end_with_parent as end; "
        "end(int(sys.argv[1])); "
        "from reworld_agent.pdm import compiling as c; c.compile_kernels(sys.argv[2:])"
    )
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    command = [sys.executable, "-c", code, str(os.getpid()), *names]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

"""The numeric routines that the scorer calls, each with a result that is known on paper.

A routine is looked up where the scorer looks it up, when it is checked: also one that another
package has replaced meanwhile. Results are compared in plain Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from reworld_agent.core.errors import ReWorldError

Routine = tuple[str, Callable[[], Any], Any]
TOLERANCE = 1e-9
REINSTALL = "pip install -c constraints.txt -e . ; then reworld doctor"

_R2, _R3 = 2.0**0.5, 3.0**0.5
_PI = 3.141592653589793
_A = np.array([3.0, -1.0, 2.0])
_M = np.array([[1.0, 2.0], [3.0, 4.0]])
_NAN = float("nan")


def _called(name: str, *arguments: Any, **options: Any) -> Callable[[], Any]:
    """The call of a routine of numpy or math, by its dotted name."""

    def call() -> Any:
        found: Any = {"np": np, "math": math}[name.split(".")[0]]
        for part in name.split(".")[1:]:
            found = getattr(found, part)
        return found(*arguments, **options)

    return call


def _routine(expected: Any, name: str, *arguments: Any, **options: Any) -> Routine:
    return name, _called(name, *arguments, **options), expected


ROUTINES: tuple[Routine, ...] = (
    # linear algebra; sizes that the scorer uses are in the frozen constants
    _routine(
        [[0.2] * 5, [-0.2, -0.1, 0.0, 0.1, 0.2]],
        "np.linalg.pinv",
        np.array([[1.0, t] for t in (-2.0, -1.0, 0.0, 1.0, 2.0)]),
    ),
    _routine([[2.0, 0.0], [1.0, 2.0]], "np.linalg.cholesky", np.array([[4.0, 2.0], [2.0, 5.0]])),
    _routine([5.0, 13.0], "np.linalg.norm", np.array([[3.0, 4.0], [5.0, 12.0]]), axis=1),
    _routine(30.0, "np.dot", np.arange(5.0), np.arange(5.0)),
    ("matrix product", lambda: _M @ _M, [[7.0, 10.0], [15.0, 22.0]]),
    # functions of a number
    _routine([0.0, _R2 / 2, 1.0], "np.sin", np.array([0.0, _PI / 4, _PI / 2])),
    _routine([1.0, 0.5, -1.0], "np.cos", np.array([0.0, _PI / 3, _PI])),
    _routine([_PI / 4, -_PI / 2], "np.arctan2", np.array([1.0, -2.0]), np.array([1.0, 0.0])),
    _routine([5.0, 13.0], "np.hypot", np.array([3.0, 5.0]), np.array([4.0, 12.0])),
    _routine([1.0, 2.718281828459045], "np.exp", np.array([0.0, 1.0])),
    _routine([3.0, _R2], "np.sqrt", np.array([9.0, 2.0])),
    _routine([3.0, 1.0, 2.0], "np.abs", _A),
    _routine([_PI / 2, _PI], "np.angle", np.array([1j, -1.0 + 0j])),
    _routine([_PI, _PI / 6], "np.radians", np.array([180.0, 30.0])),
    _routine([1.0, -2.0], "np.floor", np.array([1.7, -1.2])),
    _routine([2.0, -1.0], "np.ceil", np.array([1.2, -1.7])),
    _routine([1.0, -2.0, 2.0], "np.round", np.array([1.2, -1.7, 2.5])),
    _routine(0.123456, "np.round", 0.1234561, 6),
    _routine([1.0, 0.0, 1.0], "np.clip", _A, 0.0, 1.0),
    _routine([3.0, 0.0, 2.0], "np.maximum", _A, 0.0),
    _routine([0.0, -1.0, 0.0], "np.minimum", _A, 0.0),
    _routine([1.5, -0.5, 1.0], "np.divide", _A, 2.0),
    _routine([True, False], "np.isfinite", np.array([1.0, _NAN])),
    _routine([False, True], "np.isnan", np.array([1.0, _NAN])),
    _routine([True, False], "np.isclose", np.array([0.0, 1e-3]), 0.0),
    _routine(_R3 / 2, "math.sin", _PI / 3),
    _routine(0.5, "math.cos", _PI / 3),
    _routine(3 * _PI / 4, "math.atan2", 1.0, -1.0),
    _routine(13.0, "math.hypot", 5.0, 12.0),
    _routine(_R2, "math.sqrt", 2.0),
    _routine(-2, "math.floor", -1.5),
    _routine(_PI / 6, "math.radians", 30.0),
    _routine(-1.0, "math.remainder", 5.0, 3.0),
    _routine(-2.0, "math.fmod", -5.0, 3.0),
    _routine(12, "math.perm", 4, 2),
    _routine(True, "math.isfinite", 1.0),
    _routine(True, "math.isnan", _NAN),
    _routine(False, "math.isclose", 1.0, 1.001),
    # along an array
    _routine([3.0, 2.0, 4.0], "np.cumsum", _A),
    ("ndarray.cumsum", lambda: _A.cumsum(), [3.0, 2.0, 4.0]),
    ("ndarray.sum", lambda: _A.sum(), 4.0),
    ("ndarray.mean", lambda: _M.mean(axis=0), [2.0, 3.0]),
    _routine([-4.0, 3.0], "np.diff", _A),
    _routine(4.0, "np.ptp", _A),
    _routine(3.0, "np.max", _A),
    _routine(4.0 / 3.0, "np.mean", _A),
    _routine(24, "np.prod", [2, 3, 4]),
    _routine(True, "np.any", _A < 0.0),
    _routine([3.0, 2 * _PI - 3.0], "np.unwrap", np.array([3.0, -3.0])),
    _routine([0, 1, 3], "np.searchsorted", np.array([1.0, 2.0, 3.0]), np.array([0.5, 2.0, 9.0])),
    _routine([2, 3], "np.searchsorted", np.array([1.0, 2.0, 3.0]), [2.0, 3.0], side="right"),
    _routine([1, 2, 0], "np.argsort", _A),
    _routine(0, "np.argmax", _A),
    _routine(1, "np.argmin", _A),
    _routine([True, False, True], "np.isin", _A, [2.0, 3.0]),
    _routine([0, 2], "np.flatnonzero", _A > 0.0),
    _routine([[0, 2]], "np.nonzero", _A > 0.0),
    _routine([1, 0, 2], "np.bincount", np.array([0, 2, 2])),
    _routine([3.0, 3.0, 3.0], "np.maximum.accumulate", _A),
    _routine([3.0, -1.0, -1.0], "np.minimum.accumulate", _A),
    _routine([3.0, 2.0], "np.maximum.reduceat", _A, [0, 2]),
    _routine([-1.0, 2.0], "np.minimum.reduceat", _A, [0, 2]),
    # arrays out of arrays
    _routine([1.0, 2.0, 3.0, 4.0], "np.ravel", _M),
    _routine([3.0, -1.0, 2.0, 7.0], "np.append", _A, 7.0),
    _routine([3.0, -1.0, 2.0, 7.0], "np.concatenate", [_A, [7.0]]),
    _routine([3.0, -1.0, 2.0, 7.0], "np.hstack", [_A, [7.0]]),
    _routine([[3.0, -1.0, 2.0]] * 2, "np.vstack", [_A, _A]),
    _routine([[3.0, -1.0, 2.0]] * 2, "np.stack", [_A, _A]),
    _routine([[3.0, 3.0], [-1.0, -1.0], [2.0, 2.0]], "np.column_stack", [_A, _A]),
    _routine([3.0, 0.0, 2.0], "np.where", _A > 0.0, _A, 0.0),
    _routine([3.0, 3.0, -1.0, -1.0], "np.repeat", _A[:2], 2),
    _routine([2.0, 3.0, -1.0], "np.roll", _A, 1),
    _routine([0.0, 3.0, -1.0, 2.0, 0.0], "np.pad", _A, 1),
    _routine([1.0, 4.0], "np.diag", _M),
    _routine([[1.0, 0.0], [0.0, 1.0]], "np.eye", 2),
    _routine([0.0, 0.5, 1.0], "np.arange", 0.0, 1.5, 0.5),
    _routine([2.5, 2.5], "np.full", 2, 2.5),
    _routine([2.5, 2.5, 2.5], "np.full_like", _A, 2.5),
    _routine([1.0, 1.0], "np.ones", 2),
    _routine([0.0, 0.0], "np.zeros", 2),
    _routine([0.0, 0.0, 0.0], "np.zeros_like", _A),
    _routine([3.0, -1.0, 2.0], "np.array", _A),
    _routine([3.0, -1.0, 2.0], "np.asarray", _A),
    _routine([3.0, -1.0, 2.0], "np.ascontiguousarray", _A),
    _routine([3.0, -1.0, 2.0], "np.frombuffer", _A.tobytes()),
    _routine([2, 2], "np.shape", _M),
)


def require_routines(routines: Iterable[Routine] = ROUTINES) -> None:
    """Raise ReWorldError where a routine does not give what it must."""
    for name, call, expected in routines:
        try:
            found = call()
        except Exception as error:  # whatever a broken routine raises
            found = error
        if not _same(found, expected):
            raise ReWorldError(
                f"refusing to score: {name} is wrong here: {_shown(found)}, not {_shown(expected)}",
                f"something has replaced it, or a library is broken: {REINSTALL}",
            )


def _same(found: Any, expected: Any) -> bool:
    found = found.tolist() if isinstance(found, np.ndarray | np.generic) else found
    if isinstance(expected, list):
        if not isinstance(found, list | tuple) or len(found) != len(expected):
            return False
        return all(_same(one, other) for one, other in zip(found, expected, strict=True))
    try:
        return -TOLERANCE <= found - expected <= TOLERANCE
    except TypeError:
        return False


def _shown(value: Any) -> str:
    text = str(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)
    return text if len(text) <= 60 else text[:57] + "..."

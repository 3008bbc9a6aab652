"""How the renderer's loops are compiled: numba, exact arithmetic, kept on disk where possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The function as machine code, made at first use.

    Strict floating point: the same scene gives the same bytes in every process.
    """
    try:
        made = numba.njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # no folder for the cache can be written
        made = numba.njit(error_model="numpy")(function)
    return cast("Callable[Parameters, Result]", made)

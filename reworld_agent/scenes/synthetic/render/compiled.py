"""How the renderer's loops are compiled: numba, exact arithmetic, kept on disk where possible."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba.core.caching import IndexDataCacheFile

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@cache
def _stamp() -> str:
    """Hash of this folder's sources: numba itself looks at a function's own file alone."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The function as machine code, made at first use.

    Strict floating point: the same scene gives the same bytes in every process.
    """
    try:
        made: Any = numba.njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # no folder for the cache can be written
        made = numba.njit(error_model="numpy")(function)
    else:
        stored = made._cache
        stored._cache_file = IndexDataCacheFile(
            stored._cache_path, stored._impl.filename_base, _stamp()
        )
    return cast("Callable[Parameters, Result]", made)

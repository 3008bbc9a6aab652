"""How the hot loops are compiled: numba, one thread, exact arithmetic, cached on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import IndexDataCacheFile

Function = TypeVar("Function", bound=Callable[..., Any])


def _code_stamp() -> str:
    """Hash of all sources of this package that hold kernels."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        source = path.read_bytes()
        if b"pdm.kernel import" in source:
            digest.update(source)
    return digest.hexdigest()


_CODE_STAMP = _code_stamp()


def helper(function: Function) -> Function:
    """Compile `function` as a part of the kernels that call it; Python cannot call it."""
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return cast(Function, numba.njit(error_model="numpy", **options)(function))


def kernel(function: Function) -> Function:
    """Compile `function` at first use; the result is kept on disk for later processes.

    Numba renews a compiled function when the file of that function changes, not when a function
    or class that it uses changes. The stamp of all files in the cache's name makes a stale kernel
    impossible; with a numba whose cache looks different inside, its own rule stays.
    """
    compiled: Any = numba.njit(cache=True, error_model="numpy")(function)
    cache = compiled._cache
    try:
        name = f"{cache._impl.filename_base}-{_CODE_STAMP[:12]}"
        cache._cache_file = IndexDataCacheFile(cache._cache_path, name, _CODE_STAMP)
    except (AttributeError, TypeError):
        pass
    return cast(Function, compiled)

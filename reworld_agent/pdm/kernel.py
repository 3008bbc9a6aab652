"""How the hot loops are compiled: numba, one thread, exact arithmetic, cached on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def _code_stamp() -> str:
    """Hash of all sources of this package that hold kernels."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        source = path.read_bytes()
        if b"@kernel" in source:
            digest.update(source)
    return digest.hexdigest()


_CODE_STAMP = _code_stamp()


def kernel(function: Function) -> Function:
    """Compile `function` at first use; the result is kept on disk for later processes.

    Numba renews a compiled function when the file of that function changes, not when a function
    that it calls changes. The stamp of all files makes a stale kernel impossible.
    """
    compiled: Any = numba.njit(cache=True, error_model="numpy")(function)
    index = getattr(compiled._cache, "_cache_file", None)
    if index is not None and hasattr(index, "_source_stamp"):
        index._source_stamp = _CODE_STAMP
    return cast(Function, compiled)

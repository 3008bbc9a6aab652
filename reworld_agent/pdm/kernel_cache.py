"""Compiled kernels on disk: one file for what a kernel is made of, and never a damaged one.

A kernel freezes in the constants of its modules, some of which numpy's linear algebra computes.
The name of its file therefore holds a hash of these constants, of the code and of the numeric
libraries: what a wrong BLAS has left behind is not found again once that is repaired. The machine
code is read only where its checksum holds; everything else is compiled again.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import types
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.dispatcher import Dispatcher

from reworld_agent.core.provenance import blas_name

logger = logging.getLogger(__name__)

# Files that every kernel depends on, in which no kernel is.
_OF_ALL = ("kernel.py", "scene_cache.py", "raw_columns.py")
_VALUES = (np.ndarray, np.generic, float, int, str, tuple)
_CHECKSUM_BYTES = 32


@lru_cache(maxsize=1)
def _code_stamp() -> str:
    """Hash of all sources of this package that hold kernels or their constants."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        source = path.read_bytes()
        if b"pdm.kernel import" in source or path.name in _OF_ALL:
            digest.update(source)
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _libraries() -> str:
    versions = f"numba {numba.__version__}, llvmlite {llvmlite.__version__}"
    return f"{versions}, numpy {np.__version__}, {blas_name()}"


def frozen_constants(*functions: Callable[..., Any]) -> dict[str, Any]:
    """Constants of modules that kernels compile in, those of their helpers too.

    Args:
        functions: the kernels' Python functions.

    Returns:
        Values by `module.function.name`, sorted.
    """
    found: dict[str, Any] = {}
    seen: set[Callable[..., Any]] = set()
    waiting = list(functions)
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        for name in _names(function.__code__):
            value = function.__globals__.get(name)
            if isinstance(value, Dispatcher):
                waiting.append(value.py_func)
            elif isinstance(value, _VALUES):
                found[f"{function.__module__}.{function.__qualname__}.{name}"] = value
    return dict(sorted(found.items()))


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names(inner)


def kernel_stamp(function: Callable[..., Any]) -> str:
    """Hash of all that a kernel's machine code depends on, but for the CPU (numba's own key)."""
    digest = hashlib.sha256(f"{_code_stamp()}|{_libraries()}".encode())
    for name, value in frozen_constants(function).items():
        digest.update(name.encode())
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
        else:
            digest.update(repr(value).encode())
    return digest.hexdigest()


class _KernelFile(IndexDataCacheFile):
    """Index and data of one kernel; what cannot be trusted is not there."""

    def _load_index(self) -> dict[Any, str]:
        try:
            index: dict[Any, str] = super()._load_index()
        except Exception as error:  # a damaged pickle raises whatever it likes
            logger.info("%s: unreadable (%s), compiled again", self._index_path, error)
            return {}
        return index

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()
        payload = content[_CHECKSUM_BYTES:]
        if hashlib.sha256(payload).digest() != content[:_CHECKSUM_BYTES]:
            raise OSError(f"{name}: damaged")  # as where it is missing
        return pickle.loads(payload)

    def _save_data(self, name: str, data: Any) -> None:
        payload: bytes = self._dump(data)
        with self._open_for_write(self._data_path(name)) as stream:
            stream.write(hashlib.sha256(payload).digest() + payload)


class KernelCache(FunctionCache):
    """Numba's cache of a function under a name of our own, which no fault of a disk can end.

    Numba renews a compiled function when the file of that function changes, not when a function,
    class or constant that it uses does.
    """

    _file: _KernelFile | None = None

    @property
    def _cache_file(self) -> IndexDataCacheFile:
        if self._file is None:  # only now are all constants and helpers of the module defined
            stamp = kernel_stamp(self._py_func)
            name = f"{self._impl.filename_base}-{stamp[:12]}"
            self._file = _KernelFile(self._cache_path, name, stamp)
        return self._file

    @_cache_file.setter
    def _cache_file(self, file: IndexDataCacheFile) -> None:
        """Numba's own constructor sets one, which is not used."""

    def is_on_disk(self) -> bool:
        """Whether something was compiled before."""
        return Path(self._cache_file._index_path).is_file()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function; None where it is not there or cannot be used."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # another numba's, or a folder that cannot be read
            logger.info("%s: not usable (%s), compiled again", self._name, error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, where there is room for it."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            logger.warning(
                "%s: compiled kernels cannot be kept (%s); the next start compiles again",
                self._cache_path,
                error.strerror or error,
            )

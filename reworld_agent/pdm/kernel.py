"""How the hot loops are compiled: numba, one thread, exact arithmetic, cached on disk.

Helpers are compiled as link-only parts of the kernels that call them: numba would otherwise
optimise every helper, with all that it calls, by itself and make machine code that nobody runs.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import numba
import numba._dynfunc as dynfunc
from numba.core.caching import IndexDataCacheFile
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result", covariant=True)


class Compiled(Protocol[Parameters, Result]):
    """A function that numba compiles."""

    @property
    def py_func(self) -> Callable[Parameters, Result]:
        """The function itself, run by Python."""

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        """The compiled function."""


# Files of constants that kernels compile in; no kernel is in them.
_HOLD_CONSTANTS = ("scene_cache.py", "raw_columns.py")


def _code_stamp() -> str:
    """Hash of all sources of this package that hold kernels or their constants."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        source = path.read_bytes()
        if b"pdm.kernel import" in source or path.name in _HOLD_CONSTANTS:
            digest.update(source)
    return digest.hexdigest()


_CODE_STAMP = _code_stamp()


class _KernelCompiler(Compiler):
    """Numba's compiler with Python's garbage collector paused: it makes millions of objects."""

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        """Compile `func`; see `numba.core.compiler.CompilerBase.compile_extra`."""
        paused = gc.isenabled()
        gc.disable()
        try:
            return super().compile_extra(func)
        finally:
            if paused:
                gc.enable()


class _LinkOnlyLibrary(JITCodeLibrary):
    """Code of a helper: linked into its callers, which optimise it and make the machine code."""

    def finalize(self) -> None:
        """Link what the helper calls; nothing else."""
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


class _HelperCompiler(_KernelCompiler):
    """Compiles a function into a `_LinkOnlyLibrary`, without an entry for Python."""

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        """Compile `func`; see `numba.core.compiler.CompilerBase.compile_extra`."""
        context = self.state.targetctx
        self.state.library = _LinkOnlyLibrary(context.codegen(), func.__qualname__)
        context.get_executable = _no_executable
        return super().compile_extra(func)


def _no_executable(library: Any, description: Any, environment: Any) -> Any:
    """Stands for the machine code that a link-only library does not have."""
    library._ensure_finalized()
    module, name = description.lookup_module(), description.qualname.split(".")[-1]
    return dynfunc.make_function(module, name, "", 0, environment, (library,))


def helper(function: Callable[Parameters, Result]) -> Compiled[Parameters, Result]:
    """Compile `function` as a part of the kernels that call it; Python cannot call it."""
    options: dict[str, Any] = {
        "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True,
        "pipeline_class": _HelperCompiler,
    }
    compiled: Any = numba.njit(error_model="numpy", **options)(function)
    return cast("Compiled[Parameters, Result]", compiled)


def kernel(function: Callable[Parameters, Result]) -> Compiled[Parameters, Result]:
    """Compile `function` at first use; the result is kept on disk for later processes.

    Numba renews a compiled function when the file of that function changes, not when a function
    or class that it uses changes. The stamp of all files in the cache's name makes a stale kernel
    impossible; with a numba whose cache looks different inside, its own rule stays.
    """
    options: dict[str, Any] = {"no_cfunc_wrapper": True, "pipeline_class": _KernelCompiler}
    compiled: Any = numba.njit(cache=True, error_model="numpy", **options)(function)
    cache = compiled._cache
    try:
        name = f"{cache._impl.filename_base}-{_CODE_STAMP[:12]}"
        cache._cache_file = IndexDataCacheFile(cache._cache_path, name, _CODE_STAMP)
    except (AttributeError, TypeError):
        pass
    return cast("Compiled[Parameters, Result]", compiled)

"""How the hot loops are compiled: numba, one thread, exact arithmetic, cached on disk.

Helpers are compiled as link-only parts of the kernels that call them: numba would otherwise
optimise every helper, with all that it calls, by itself and make machine code that nobody runs.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import numba
import numba._dynfunc as dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

from reworld_agent.pdm.kernel_cache import KernelCache

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result", covariant=True)


class Compiled(Protocol[Parameters, Result]):
    """A function that numba compiles."""

    @property
    def py_func(self) -> Callable[Parameters, Result]:
        """The function itself, run by Python."""

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        """The compiled function."""


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
    """Compile `function` at first use; `KernelCache` keeps the result for later processes."""
    options: dict[str, Any] = {"no_cfunc_wrapper": True, "pipeline_class": _KernelCompiler}
    compiled: Any = numba.njit(error_model="numpy", **options)(function)
    # numba raises RuntimeError where it finds no folder to write into: each process compiles then
    with suppress(RuntimeError):
        compiled._cache = KernelCache(function)
    return cast("Compiled[Parameters, Result]", compiled)

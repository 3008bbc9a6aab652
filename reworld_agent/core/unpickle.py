"""Reading a pickle that we did not write, without running code from it.

A pickle may name any Python callable and have it called. NAVSIM logs need only containers,
scalars and numpy arrays (OpenScene's generator writes nothing else), so every other name is
refused before anything of it is imported.
"""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import Any

from reworld_agent.core.errors import DataError

_BUILTINS = frozenset(
    [
        "bool",
        "bytearray",
        "bytes",
        "complex",
        "dict",
        "float",
        "frozenset",
        "int",
        "list",
        "range",
        "set",
        "slice",
        "str",
        "tuple",
    ]
)
# Submodule of numpy's core -> names. The core moved from `numpy.core` to `numpy._core` in numpy 2;
# a file written under one version is read under the other.
_NUMPY_CORE = {
    "multiarray": frozenset({"_reconstruct", "scalar"}),
    "numeric": frozenset({"_frombuffer"}),
}
_NUMPY = frozenset({"dtype", "ndarray"})


class Record:
    """Stands for an instance of a class that is not loaded: `args` it was made with, `fields`."""

    args: tuple[Any, ...]
    fields: dict[str, Any]

    def __new__(cls, *args: Any) -> Record:
        """How a pickle makes objects, with or without arguments."""
        self = super().__new__(cls)
        self.args, self.fields = args, {}
        return self

    def __setstate__(self, state: Any) -> None:
        """How a pickle fills them: a dict of fields, or two of them."""
        for part in state if isinstance(state, tuple) else (state,):
            self.fields.update(part or {})


def load_pickle(path: Path, records: tuple[str, ...] = ()) -> Any:
    """The object in a pickle of containers, scalars and numpy arrays.

    Args:
        path: the file.
        records: packages whose objects are read as `Record`; nothing of them is imported or run.

    Raises:
        DataError: the file is missing, truncated or names anything else (nothing of it is run).
    """
    try:
        with path.open("rb") as stream:
            return _AllowListUnpickler(stream, path, records).load()
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file", "check OPENSCENE_DATA_ROOT and train_test_split.data_split"
        ) from error
    except Exception as error:  # damaged bytes make the unpickler raise nearly anything
        raise DataError(
            f"{path}: not a whole pickle ({type(error).__name__}: {error})",
            "the file is truncated or damaged: delete it and download it again",
        ) from error


class _AllowListUnpickler(pickle.Unpickler):
    def __init__(self, stream: Any, path: Path, records: tuple[str, ...]) -> None:
        super().__init__(stream)
        self._path, self._records = path, records

    def find_class(self, module: str, name: str) -> Any:
        """The allowed global of this name; DataError, and nothing run, for any other."""
        if module in ("builtins", "__builtin__") and name in _BUILTINS:
            return super().find_class("builtins", name)
        if module == "numpy" and name in _NUMPY:
            return super().find_class(module, name)
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if (module, name) == ("_codecs", "encode"):
            return _encode_latin1
        package, _, submodule = module.rpartition(".")
        if package in ("numpy.core", "numpy._core") and name in _NUMPY_CORE.get(submodule, ()):
            return getattr(_numpy_core(submodule), name)
        if module.partition(".")[0] in self._records:
            return Record
        raise DataError(
            f"{self._path}: this pickle names '{module}.{name}', which no NAVSIM log needs; "
            "it may be hostile, and nothing of it was run",
            "get the file from a source that you trust",
        )


def _numpy_core(submodule: str) -> Any:
    try:
        return importlib.import_module(f"numpy._core.{submodule}")
    except ModuleNotFoundError:  # numpy 1
        return importlib.import_module(f"numpy.core.{submodule}")


def _encode_latin1(text: str, encoding: str = "latin1") -> bytes:
    """How pickles of protocol 2 write bytes; other codecs are not needed and stay shut."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"codec {encoding!r} is not allowed")
    return text.encode("latin1")

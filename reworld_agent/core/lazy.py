"""Light faces: a package whose names are imported when they are first touched (PEP 562).

    if TYPE_CHECKING:
        from reworld_agent.model.reworld_model import ReWorldModel

    __all__ = ["ReWorldModel"]
    __getattr__, __dir__ = lazy_face(__name__, {"reworld_model": ["ReWorldModel"]})

The import under TYPE_CHECKING is for mypy and editors; it is never run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_face(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package.

    Args:
        package: its `__name__`.
        names: what each of its modules gives, by the module's name in the package.
    """
    module_of = {name: module for module, given in names.items() for name in given}

    def get(name: str) -> Any:
        """Import the module that has the name, and keep what it gives."""
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{module_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def listing() -> list[str]:
        """What is there and what is still to be imported."""
        return sorted({*vars(sys.modules[package]), *module_of})

    return get, listing

"""Does each command compile anew what it imports?"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from reworld_agent.core.findings import OK, WARN, Finding

_IMPORTED = ("torch", "lightning", "diffusers", "transformers", "scipy", "pandas")  # the longest


def check_start_up() -> Finding:
    """Compiled files of the large packages are there, or can be written at their first import.

    Images often set PYTHONDONTWRITEBYTECODE and install without compiling: then each command
    compiles some 2,700 modules anew, some 20 s of a core (a training of two processes: twice).
    """
    packages = {name: folder for name in _IMPORTED if (folder := _folder(name)) is not None}
    bare = [name for name in packages if not _compiled(packages[name])]
    for name in bare:
        if sys.dont_write_bytecode:
            what = "PYTHONDONTWRITEBYTECODE is set"
        elif not os.access(packages[name], os.W_OK):
            what = f"{packages[name]} cannot be written"
        else:
            continue
        site = packages[name].parent
        return Finding(
            "start-up",
            WARN,
            f"{', '.join(bare)}: no compiled files, and {what}: every command compiles them anew, "
            "which takes it some 20 s",
            f"{Path(sys.executable).name} -m compileall -q {site}",
        )
    return Finding("start-up", OK, "compiled files of packages are kept")


def _folder(package: str) -> Path | None:
    """Where a package lies; None where it is not installed. Nothing is imported."""
    spec = importlib.util.find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _compiled(folder: Path) -> bool:
    return Path(importlib.util.cache_from_source(str(folder / "__init__.py"))).is_file()

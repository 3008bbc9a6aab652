"""Is there room, and may we write, where results and caches go?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from reworld_agent.core.findings import FAIL, OK, WARN, Finding

FAIL_BELOW_GB, WARN_BELOW_GB = 0.5, 5.0  # scene caches of navtest take some 2 GB


def check_disk() -> Iterator[Finding]:
    """The cache folder and the folder of results."""
    from reworld_agent.core.paths import cache_home

    yield _folder("cache folder", cache_home(), "REWORLD_HOME")
    yield _folder(
        "results folder", Path(os.environ.get("NAVSIM_EXP_ROOT") or "outputs"), "output_dir"
    )


def _folder(name: str, path: Path, setting: str) -> Finding:
    """Room in the folder, or in the nearest one above it that exists."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    fix = f"set {setting} to a folder with room that you may write to"
    if not place.is_dir() or not os.access(place, os.W_OK):
        return Finding(name, FAIL, f"{path} cannot be written", fix)
    free = shutil.disk_usage(place).free / 1e9
    what = f"{free:.1f} GB free at {path}"
    if free < FAIL_BELOW_GB:
        return Finding(name, FAIL, what, fix)
    return Finding(name, WARN, what, fix) if free < WARN_BELOW_GB else Finding(name, OK, what)

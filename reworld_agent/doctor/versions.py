"""Are the libraries here, do they import, and are they the versions that were tested?"""

from __future__ import annotations

import importlib
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import reworld_agent
from reworld_agent.core.extras import EXTRA_OF, install_line, is_installed
from reworld_agent.core.findings import FAIL, OK, WARN, Finding
from reworld_agent.pdm.golden.routines import REINSTALL

PACKAGE = "reworld-agent"
# Libraries that numbers depend on; the pinned versions are those of the figures in the docs.
NUMERIC = ("torch", "diffusers", "numpy", "numba", "scipy", "pandas", "shapely", "hydra-core")
_IMPORTED = ("numba", "pandas", "pyarrow", "pyogrio", "shapely")  # a clash with numpy shows here


def check_libraries() -> Iterator[Finding]:
    """Requirements of the package, imports that are known to clash, and pinned versions."""
    faults = [*_unmet(), *_not_importable()]
    found = {name: _version(name) for name in NUMERIC}
    versions = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    what = f"Python {platform.python_version()}, {versions}"
    if faults:
        yield Finding("libraries", FAIL, "; ".join(faults), REINSTALL)
    else:
        yield Finding("libraries", OK, what)
    yield from _against_constraints(Path(reworld_agent.__file__).parent.parent / "constraints.txt")


def check_extras() -> Finding:
    """Which extras are here; none is needed to score trajectories and to analyse them."""
    whole = dict.fromkeys(EXTRA_OF.values(), True)
    for library, extra in EXTRA_OF.items():
        whole[extra] &= is_installed(library)
    here = ", ".join(extra for extra in whole if whole[extra]) or "none"
    absent = ", ".join(extra for extra in whole if not whole[extra])
    what = f"installed: {here}"
    if absent:
        what += f"; not installed: {absent} ({install_line('NAME')})"
    return Finding("extras", OK, what)


def _unmet() -> list[str]:
    """Requirements of the package that are not met."""
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(text) for text in metadata.requires(PACKAGE) or []]
    except metadata.PackageNotFoundError:
        wanted = [Requirement(name) for name in _IMPORTED]
    faults = []
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = _version(requirement.name)
        if found is None:
            faults.append(f"{requirement.name} is not installed")
        elif not requirement.specifier.contains(found, prereleases=True):
            faults.append(f"{requirement.name} {found} is not {requirement.specifier}")
    return faults


def _not_importable() -> list[str]:
    faults = []
    for name in _IMPORTED:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever a broken installation raises
            faults.append(f"import {name} fails ({type(error).__name__}: {error})")
    return faults


def _against_constraints(path: Path) -> Iterator[Finding]:
    """How the installed versions differ from a checkout's constraints.txt."""
    if not path.is_file():
        return
    pinned = dict(
        line.split("#")[0].strip().split("==")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "==" in line.split("#")[0]
    )
    found = {name: _version(name) for name in NUMERIC if name in pinned}
    others = [
        f"{name} {version}, not {pinned[name]}"
        for name, version in found.items()
        if version and version.split("+")[0] != pinned[name]  # 2.13.0+cpu is 2.13.0
    ]
    if others:
        what = f"other versions than the tested ones: {'; '.join(others)}"
        yield Finding("pinned versions", WARN, what, "pip install -c constraints.txt -e .")
    else:
        yield Finding("pinned versions", OK, f"as in {path.name}")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None

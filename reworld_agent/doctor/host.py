"""Which `navsim` does an import find, and from where?"""

from __future__ import annotations

from importlib import metadata

from reworld_agent.core.findings import FAIL, OK, WARN, Finding


def check_navsim() -> Finding:
    """Absent, the devkit, the unrelated package of the package index, or a broken devkit."""
    from reworld_agent import compat

    found = compat.find_navsim()
    if found.kind == "absent":
        return Finding("navsim", OK, "not installed: the built-in host is used")
    if found.kind == "devkit":
        return Finding("navsim", OK, f"devkit v{found.version} at {found.path}")
    if found.kind == "unrelated":
        what = (
            f"{_distribution()} at {found.path} is not the NAVSIM devkit but an unrelated project "
            f"of the same name ({found.reason}); the built-in host is used"
        )
        return Finding("navsim", WARN, what, "pip uninstall navsim")
    what = f"the devkit at {found.path} cannot be imported: {found.reason}"
    return Finding("navsim", FAIL, what, compat.INSTALL_HINT)


def _distribution() -> str:
    """Name and version under which `navsim` was installed."""
    for name in metadata.packages_distributions().get("navsim", ()):
        return f"the package '{name}' {metadata.version(name)}"
    return "the package 'navsim'"

"""Modules of other people that register something: a metric, an agent, a source of clips.

`REWORLD_PLUGINS=my_metric,my_package.codecs` names them. They are imported when something that
can be registered is first looked up, in every process. An installed package names what it has as
entry points, in the group `reworld_agent.<kind>`.
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from reworld_agent.core.errors import ConfigError

VARIABLE = "REWORLD_PLUGINS"


def plugin_modules() -> tuple[str, ...]:
    """The modules that `REWORLD_PLUGINS` names."""
    names = (part.strip() for part in os.environ.get(VARIABLE, "").split(","))
    return tuple(filter(None, names))


def installed(kind: str) -> dict[str, EntryPoint]:
    """The entry points of installed packages for a kind, such as `codec`, by name."""
    return {entry.name: entry for entry in entry_points(group=f"reworld_agent.{kind}")}


@cache
def load_plugins(kind: str = "") -> None:
    """Import the modules that `REWORLD_PLUGINS` names, once.

    Args:
        kind: also load what installed packages have of this kind; it registers itself.

    Raises:
        ConfigError: a module cannot be imported.
    """
    for name in plugin_modules():
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ConfigError(
                f"{VARIABLE}: the module {name} cannot be imported ({error})",
                "install it, or put its folder on PYTHONPATH",
            ) from error
    for entry in installed(kind).values() if kind else ():
        try:
            entry.load()
        except ImportError as error:
            raise ConfigError(
                f"the installed {kind} {entry.name} ({entry.value}) cannot be imported ({error})",
                "reinstall or uninstall its package",
            ) from error

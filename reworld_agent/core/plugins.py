"""Modules of other people that register something: a metric, an agent, a source of clips.

`REWORLD_PLUGINS=my_metric,my_package.agents` names them. They are imported when something that
can be registered is first looked up, in every process.
"""

from __future__ import annotations

import importlib
import os
from functools import cache

from reworld_agent.core.errors import ConfigError

VARIABLE = "REWORLD_PLUGINS"


@cache
def load_plugins() -> None:
    """Import the modules that `REWORLD_PLUGINS` names, once.

    Raises:
        ConfigError: a module cannot be imported.
    """
    for name in filter(None, (part.strip() for part in os.environ.get(VARIABLE, "").split(","))):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ConfigError(
                f"{VARIABLE}: the module {name} cannot be imported ({error})",
                "install it, or put its folder on PYTHONPATH",
            ) from error

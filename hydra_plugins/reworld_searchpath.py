"""Makes `agent=reworld` and our splits visible to every Hydra program, the devkit's included.

Imports Hydra alone: Hydra loads every module of `hydra_plugins` at the start of every program.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

DEVKIT_CONFIGS = Path("navsim/planning/script/config/common")


class ReWorldSearchPathPlugin(SearchPathPlugin):
    """Appends the folder `navsim_configs` (last, so that nothing of the host is overridden).

    Installed packages that name a package of configurations as an entry point of the group
    `reworld_agent.agent` are appended too: their agents are found by name.

    Where `NAVSIM_DEVKIT_ROOT` names a checkout of the devkit, its splits (`navtest`, `navtrain`
    with their token lists) are appended too: the built-in host then reads them without
    installing the devkit.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Hydra's hook."""
        search_path.append(provider="reworld", path="pkg://navsim_configs")
        for entry in entry_points(group="reworld_agent.agent"):
            search_path.append(provider=entry.name, path=f"pkg://{entry.value}")
        checkout = os.environ.get("NAVSIM_DEVKIT_ROOT")
        if checkout and (Path(checkout) / DEVKIT_CONFIGS).is_dir():
            folder = (Path(checkout) / DEVKIT_CONFIGS).resolve()
            search_path.append(provider="navsim-checkout", path=f"file://{folder}")

"""Makes `agent=reworld` and our splits visible to every Hydra program, the devkit's included.

Imports Hydra alone: Hydra loads every module of `hydra_plugins` at the start of every program.
"""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from pathlib import Path

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

DEVKIT_ROOT = "NAVSIM_DEVKIT_ROOT"
DEVKIT_CONFIGS = Path("navsim/planning/script/config/common")
DEVKIT_GROUPS = ("agent", "train_test_split")


class DevkitGroups(FileConfigSource):
    """Some of the groups of a devkit's checkout: its splits and its agents.

    Its others would capture settings of ours: a group `worker` makes `worker=processes` a file.
    """

    @staticmethod
    def scheme() -> str:
        """`navsim-checkout://FOLDER`."""
        return "navsim-checkout"

    def is_group(self, config_path: str) -> bool:
        """Whether a folder is one of the groups, or below one."""
        return _is_offered(config_path) and super().is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        """Whether a file stands in one of the groups."""
        return _is_offered(config_path) and super().is_config(config_path)


def _is_offered(config_path: str) -> bool:
    return config_path == "" or config_path.partition("/")[0] in DEVKIT_GROUPS


class ReWorldSearchPathPlugin(SearchPathPlugin):
    """Appends the folder `navsim_configs` (last, so that nothing of the host is overridden).

    Installed packages that name a package of configurations as an entry point of the group
    `reworld_agent.agent` are appended too: their agents are found by name.

    Where `NAVSIM_DEVKIT_ROOT` names a checkout of the devkit, its splits (`navtest`, `navtrain`
    with their token lists) and agents are appended too: the built-in host then reads them without
    installing the devkit.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Hydra's hook."""
        search_path.append(provider="reworld", path="pkg://navsim_configs")
        for entry in entry_points(group="reworld_agent.agent"):
            search_path.append(provider=entry.name, path=f"pkg://{entry.value}")
        checkout = os.environ.get(DEVKIT_ROOT)
        if checkout and (Path(checkout) / DEVKIT_CONFIGS).is_dir():
            folder = (Path(checkout) / DEVKIT_CONFIGS).resolve()
            place = f"{DevkitGroups.scheme()}://{folder}"
            search_path.append(provider=DevkitGroups.scheme(), path=place)

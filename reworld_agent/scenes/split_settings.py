"""The split of a run, as every command takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reworld_agent.core.sections import rest, section
from reworld_agent.core.settings import Settings, setting
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.roots import require_split


@dataclass(frozen=True, kw_only=True)
class SplitSettings(Settings, prefix="train_test_split"):
    """A folder of logs, and which of its windows are scenes.

    `more` is what else the devkit's files say of a split, such as the mapping of two stages.

    Raises:
        UsageError: the split is neither embedded nor below `OPENSCENE_DATA_ROOT`.
    """

    data_split: str = setting("folder below navsim_logs: mini, test, trainval, town_test ...")
    scene_filter: SceneFilter = section(SceneFilter)
    more: Mapping[str, Any] = rest()

    def check(self) -> None:
        """See the class."""
        require_split(self.data_split)

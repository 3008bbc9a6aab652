"""Scenarios of two stages, from the mapping of a split of NAVSIM v2."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from reworld_agent.closed_loop.replay.frames import HISTORY
from reworld_agent.closed_loop.replay.scenarios import LEAST_FRAMES, LogScenario, scenario_of
from reworld_agent.closed_loop.replay.stages import STAGE_S, StagedWorld
from reworld_agent.closed_loop.replay.world import NEAR
from reworld_agent.core.errors import DataError
from reworld_agent.core.records.file_hashes import file_sha256
from reworld_agent.pdm.protocols.aggregate import Group
from reworld_agent.scenes.log_index import open_index
from reworld_agent.scenes.scene_pickles import scene_pickle_path
from reworld_agent.scenes.splits import DataRoots
from reworld_agent.scenes.types import SensorConfig

STAGED = "stages"  # the kind of these scenarios


@dataclass(frozen=True)
class StagedScenario(LogScenario):
    """A frame of stage one, and the synthetic scenes around its ends.

    Attributes:
        tokens: of the synthetic scenes.
        synthetic: folder of their pickles; synthetic_blobs: of their sensor data.
    """

    kind: str = STAGED
    tokens: tuple[str, ...] = ()
    synthetic: Path = Path()
    synthetic_blobs: Path = Path()

    def world(self, sensors: SensorConfig, recorded: bool) -> StagedWorld:
        """Both stages; raises what LogWorld does. Nobody is recorded in stage two."""
        first = super().log_world(sensors, recorded=False)
        return StagedWorld(first, self.tokens, self.synthetic, self.synthetic_blobs, sensors)


def of_groups(
    roots: DataRoots,
    groups: Sequence[Group],
    count: int,
    synthetic: tuple[Path, Path],
    near: float = NEAR,
) -> list[StagedScenario]:
    """At most `count` scenarios, one a group whose frame lies in the split, in their order.

    Args:
        roots: of the split.
        groups: of its mapping.
        count: of scenarios.
        synthetic: folders of the synthetic scenes and of their sensor data.
        near: see LogScenario.

    Raises:
        DataError: a synthetic scene is missing, or no group's frame lies in the split with 4 s
            after it.
    """
    index = open_index(roots.logs)
    places = {
        token: (entry, start)
        for entry in (index.entry(path) for path in index.progress(index.paths))
        for start, token in enumerate(entry.tokens)
        if HISTORY - 1 <= start < len(entry.tokens) - LEAST_FRAMES
    }
    found = []
    for group in [group for group in groups if group.now in places][:count]:
        entry, start = places[group.now]
        usual = scenario_of(roots, entry, start, STAGE_S, near)
        given = {field.name: getattr(usual, field.name) for field in fields(usual)}
        tokens = tuple(now for now, _ in group.pairs)
        given |= {"name": group.now, "kind": STAGED, "source": _source(usual, tokens, synthetic[0])}
        found.append(
            StagedScenario(
                **given, tokens=tokens, synthetic=synthetic[0], synthetic_blobs=synthetic[1]
            )
        )
    if not found:
        message = f"{roots.logs}: no frame of the {len(groups)} groups of the mapping is in a log"
        raise DataError(message, "give the mapping that belongs to these logs")
    return found


def _source(scenario: LogScenario, tokens: Sequence[str], folder: Path) -> str:
    """The hash of the log and of all synthetic scenes; raises DataError where one is missing."""
    digest = hashlib.sha256(scenario.source.encode())
    for token in tokens:
        path = scene_pickle_path(folder, token)
        if not path.is_file():
            message = f"{path}: the synthetic scene is missing"
            raise DataError(message, "download them, or use the mapping that belongs to them")
        digest.update(file_sha256(path).encode())
    return digest.hexdigest()

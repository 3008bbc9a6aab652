"""From data on disk to an index of clips, as its settings say."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from reworld_agent.clips.build import Findings, about, recorded_rows, split_counts
from reworld_agent.clips.index import ClipIndex, read_index, write_rows
from reworld_agent.clips.settings import IndexSettings
from reworld_agent.clips.sources import ClipSource, Options, open_source
from reworld_agent.clips.splits import split_rule
from reworld_agent.clips.windows import ClipShape
from reworld_agent.core.errors import UsageError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.result_tables import write_csv

_SERVED = {"data_split": "part", "images": "images", "licence": "licence"}


@dataclass(frozen=True)
class MadeIndex:
    """An index that was written.

    Attributes:
        index: the clips.
        findings: what was met on the way.
        shape: of the clips.
        refused: a csv beside the index of what could not be read (name, reason); None = all could.
    """

    index: ClipIndex
    findings: Findings
    shape: ClipShape
    refused: Path | None = None

    def text(self) -> str:
        """What was met, and how many clips each split has."""
        return "\n".join([*self.findings.lines(self.shape.fps), *split_counts(self.index)])


@one_writer
def make_index(settings: IndexSettings) -> MadeIndex:
    """Cut recordings into clips and write one row a clip.

    Raises:
        UsageError: a setting that the source has no use for, or a split rule that is none.
        ConfigError: the source cannot be imported.
        DataError: the data cannot be read, or give no clip at all.
    """
    source, rule = open_source(settings.source), split_rule(settings.split or "")
    _check_served(settings, source)
    shape = ClipShape(settings.fps or source.fps, settings.frames, settings.stride)
    options = Options(
        camera=settings.camera,
        part=settings.data_split,
        images=settings.images,
        licence=settings.licence or "unknown",
        fps=shape.fps,
        fps_declared=settings.fps is not None,
    )
    root = settings.root or settings.town_root
    findings = Findings()
    arguments = (settings.source, root, shape, rule, options, settings.content)
    rows = recorded_rows(*arguments, findings)
    write_rows(settings.output, rows, root, lambda: about(settings.source, shape, findings))
    index = read_index(settings.output)
    refused = settings.output.with_suffix(".refused.csv")
    if not findings.refused:
        refused.unlink(missing_ok=True)  # of an earlier index
        return MadeIndex(index, findings, shape)
    write_csv(refused, pd.DataFrame([asdict(one) for one in findings.refused]))
    return MadeIndex(index, findings, shape, refused)


def _check_served(settings: IndexSettings, source: ClipSource) -> None:
    read = [name for name, option in _SERVED.items() if option in source.options]
    for name in _SERVED:
        if getattr(settings, name) is not None and name not in read:
            message = f"{name}= has no meaning with source={settings.source}"
            known = ", ".join(f"{one}=" for one in read) or "none of its kind"
            raise UsageError(message, f"leave it out: this source reads {known}")

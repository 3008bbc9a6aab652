"""Making an index: from recordings to rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tqdm import tqdm

from reworld_agent.clips.index import ClipIndex
from reworld_agent.clips.kinematics import covers, motion_at
from reworld_agent.clips.recording import Recording, Refused
from reworld_agent.clips.sources import Options, open_source
from reworld_agent.clips.splits import SplitRule
from reworld_agent.clips.table.files import (
    content_checksum,
    file_size,
    listing,
    sizes_checksum,
)
from reworld_agent.clips.table.pack import packed
from reworld_agent.clips.table.rows import MOTION, ROWS
from reworld_agent.clips.table.store import in_memory
from reworld_agent.clips.windows import ClipShape, chosen_files, cut
from reworld_agent.core.errors import DataError

_SHOWN = 10  # refused recordings that are printed; the csv has all


@dataclass
class Findings:
    """What was met while an index was made."""

    recordings: int = 0
    clips: int = 0
    gaps: int = 0
    dropped: int = 0
    missing: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    motionless: list[str] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lines(self, fps: float) -> list[str]:
        """The findings as text, the unremarkable left out."""
        lines = [f"{self.recordings} recordings, {self.clips} clips"]
        if self.refused:
            count = self.recordings + len(self.refused)
            lines.append(f"refused: {len(self.refused)} of {count} recordings")
            lines += [f"  {one.name}: {one.reason}" for one in self.refused[:_SHOWN]]
            if len(self.refused) > _SHOWN:
                lines.append(f"  and {len(self.refused) - _SHOWN} more")
        if self.rates:
            lines.append(
                f"the recordings have {np.median(self.rates):.3g} frames a second (median)"
            )
        if self.gaps:
            lines.append(
                f"gaps: {self.gaps} places at {fps:g} fps have no frame within {0.5 / fps:.3g} s; "
                f"{self.dropped} clips that would reach over one are left out"
            )
        if self.missing:
            lines.append(
                f"images that are not on disk: {len(self.missing)}, {listing(self.missing)}"
            )
        if self.motionless:
            named = listing(self.motionless)
            lines.append(f"recordings without the ego's motion: {len(self.motionless)}, {named}")
        return lines + [f"note: {note}" for note in self.notes]

    def to_dict(self) -> dict[str, Any]:
        """Counts for the metadata of the index."""
        return {
            "recordings": self.recordings,
            "gaps": self.gaps,
            "clips_over_gaps": self.dropped,
            "missing_images": len(self.missing),
            "refused": len(self.refused),
        }


def build_index(
    source: str,
    root: Path,
    shape: ClipShape,
    split: SplitRule,
    options: Options,
    content: bool = False,
) -> tuple[ClipIndex, Findings]:
    """The index of all clips below a root, and what was met on the way.

    Args:
        source: one of CLIP_SOURCES, or `package.module:name`.
        root: folder of the data.
        shape: rate, length and stride of the clips.
        split: see `splits.split_rule`.
        options: settings of the source.
        content: checksums over all bytes of the images, not over their names and sizes.

    Raises:
        ConfigError: there is no such source.
        DataError: it cannot be read, or gives no clip at all (says why).
    """
    findings = Findings()
    arguments = (source, root, shape, split, options, content)
    tables = list(recorded_rows(*arguments, findings))
    return ClipIndex(in_memory(packed(tables)), root, about(source, shape, findings)), findings


def about(source: str, shape: ClipShape, findings: Findings) -> dict[str, Any]:
    """The provenance of an index."""
    return {"source": source, **dataclasses.asdict(shape), **findings.to_dict()}


def recorded_rows(
    source: str,
    root: Path,
    shape: ClipShape,
    split: SplitRule,
    options: Options,
    content: bool,
    findings: Findings,
) -> Iterator[pa.Table]:
    """The rows of an index, a table for each recording; see `build_index`.

    Args:
        source, root, shape, split, options, content: see `build_index`.
        findings: what is met on the way is added to them.
    """
    recordings = open_source(source).recordings(root, options)
    named: dict[str, str] = {}  # by the beginning of the clips' names, whose they are
    seen: set[str] = set()
    for recording in tqdm(recordings, desc=f"indexing {source}", unit=" recordings"):
        if isinstance(recording, Refused):
            findings.refused.append(recording)
            continue
        first = named.setdefault(_stem(recording), _file_of(recording))
        if first != _file_of(recording):
            reason = f"its clips would have the names of those of {first}: rename it"
            findings.refused.append(Refused(_file_of(recording), reason))
            continue
        rows = list(_rows(recording, root, shape, split, findings, content))
        findings.clips += len(rows)
        _check_names(rows, seen)
        if rows:
            yield pa.Table.from_pylist(rows, schema=ROWS)
    if not findings.clips:
        found = "; ".join(line.strip() for line in findings.lines(shape.fps))
        hint = "ask for fewer frames= or a lower fps=, or bring the missing images"
        if not findings.recordings:
            hint = "fix or replace what is refused"
        wanted = f"{shape.frames} frames at {shape.fps:g} fps"
        raise DataError(f"{root}: gives no clip of {wanted}: {found}", hint)


def _stem(recording: Recording) -> str:
    """How the names of a recording's clips begin."""
    return f"{recording.scene.replace('/', '__')}_{recording.camera}"


def _file_of(recording: Recording) -> str:
    return recording.video or (recording.files[0] if recording.files else recording.scene)


def _check_names(rows: list[dict[str, Any]], seen: set[str]) -> None:
    """Raise DataError where clips have names that others, `seen`, have; theirs are added."""
    names = [row["clip_id"] for row in rows]
    twice = [name for name in names if name in seen or names.count(name) > 1]
    if twice:
        raise DataError(
            f"{len(twice)} clips have the name of another: {listing(twice)}",
            "two recordings have one name: take one with data_split=, or rename it",
        )
    seen.update(names)


def _rows(
    recording: Recording,
    root: Path,
    shape: ClipShape,
    split: SplitRule,
    findings: Findings,
    content: bool,
) -> Iterator[dict[str, Any]]:
    names = [recording.video] if recording.video else recording.files
    sizes = {name: file_size(root / name) for name in names}
    here = {name: size for name, size in sizes.items() if size is not None}
    findings.missing.extend(name for name in names if sizes[name] is None)
    recording = _present(recording, here)
    found = cut(recording, shape)
    findings.recordings += 1
    findings.gaps += found.gaps
    findings.dropped += found.dropped
    findings.notes.extend(recording.notes)
    if found.rate:
        findings.rates.append(found.rate)
    if recording.track is None:
        findings.motionless.append(recording.scene)
    whole = content_checksum([recording.video], root) if recording.video and here else ""
    for start, indices in zip(found.starts, found.indices, strict=True):
        row = _row(recording, shape, start, indices)
        row["split"] = split(recording.scene, recording.split)
        files = list(chosen_files(recording, indices))
        read = whole or (content_checksum(files, root) if content else "")
        row["checksum"] = f"{read} {sizes_checksum(files, here)}".strip()
        yield row


def _present(recording: Recording, here: dict[str, int]) -> Recording:
    """The recording without the images that are not on disk."""
    if recording.video:
        return recording
    kept = [k for k, name in enumerate(recording.files) if name in here]
    return dataclasses.replace(
        recording,
        stamps=recording.stamps[kept],
        files=tuple(recording.files[k] for k in kept),
    )


def _row(
    recording: Recording, shape: ClipShape, start: int, indices: NDArray[np.int64]
) -> dict[str, Any]:
    stamps = recording.stamps[indices]
    track = recording.track
    known = track is not None and covers(track, stamps)
    motion: dict[str, Any] = (
        motion_at(track, stamps) if track is not None and known else dict.fromkeys(MOTION)
    )
    return {
        "clip_id": f"{_stem(recording)}_{start:05d}",
        "source": recording.source,
        "kind": recording.kind,
        "scene": recording.scene,
        "camera": recording.camera,
        "licence": recording.licence,
        "start_s": start / shape.fps,
        "fps": shape.fps,
        "frames": shape.frames,
        "video": recording.video,
        "files": [] if recording.video else [recording.files[k] for k in indices.tolist()],
        "indices": indices,
        "timestamps": stamps,
        **motion,
    }


def split_counts(index: ClipIndex) -> Iterable[str]:
    """`train: 10 clips of 2 scenes`, for every split."""
    for name in index.distinct("split"):
        clips = index.split(name)
        yield f"{name}: {len(clips)} clips of {len(clips.distinct('scene'))} scenes"

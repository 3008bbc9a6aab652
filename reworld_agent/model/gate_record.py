"""The verdict of the gate (`reworld video gate`), kept in the folder of the weights it is on.

It names the folder's checksums: after any change of the weights it stands no more.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import WeightsError
from reworld_agent.core.records import read_record, write_record
from reworld_agent.core.records.checksums import CHECKSUMS

FILE, CARD = "gate.json", "README.md"
NOT_JUDGED = "not judged"
PASSED, VIDEO_PASSED, FAILED = "passed", "video half passed", "failed"
_LINE = "Gate: "


@dataclass(frozen=True)
class GateRecord:
    """`gate.json`.

    Attributes:
        verdict: `passed`, `video half passed` or `failed: …`.
        split: that it was judged on.
        scenes: of it.
        code_version: that judged.
        checksums_sha256: of the folder's `checksums.json`.
    """

    verdict: str
    split: str
    scenes: int
    code_version: str
    checksums_sha256: str


def checksums_hash(folder: Path) -> str:
    """SHA-256 of a folder's `checksums.json`; "" where it has none."""
    file = folder / CHECKSUMS
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def read_verdict(folder: Path) -> str:
    """The verdict on a folder's weights; `not judged` where there is none on these very weights."""
    file = folder / FILE
    if not file.is_file():
        return NOT_JUDGED
    fix = f"delete it, and judge the weights: reworld video gate checkpoint_path={folder}"
    found = read_record(file, GateRecord, fix, WeightsError)
    marked = found.checksums_sha256
    return found.verdict if marked and marked == checksums_hash(folder) else NOT_JUDGED


def write_verdict(folder: Path, verdict: str, split: str, scenes: int, code_version: str) -> None:
    """Write `gate.json`, and the line `Gate: …` of the card.

    Raises:
        DataError: the folder cannot be written.
    """
    record = GateRecord(verdict, split, scenes, code_version, checksums_hash(folder))
    write_record(folder / FILE, record)
    card = folder / CARD
    known = card.read_text("utf-8", "replace").splitlines() if card.is_file() else []
    kept = [line for line in known if not line.startswith(_LINE)]
    text = "\n".join([*kept, f"{_LINE}{verdict} ({split}, {scenes} scenes)", ""])
    write_atomically(card, lambda partial: partial.write_text(text, encoding="utf-8"))

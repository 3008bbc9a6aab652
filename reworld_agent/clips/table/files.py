"""The files of an index: are they all there, and as they were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reworld_agent.clips.table.store import ClipStore
from reworld_agent.core.atomic import only_process
from reworld_agent.core.errors import DataError
from reworld_agent.core.records import read_record, write_record
from reworld_agent.core.records.file_hashes import file_state

_SHOWN = 3
_KEPT = 1_000_000  # sizes in memory; neighbouring clips share their files
_GONE = -1
CHECKED = "checked.json"


def listing(names: Sequence[str], count: int | None = None) -> str:
    """The first names, and how many more there are of `count` (all that are given)."""
    more = (len(names) if count is None else count) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def file_size(path: Path) -> int | None:
    """Bytes of a file, None where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def sizes_checksum(files: Iterable[str], sizes: Mapping[str, int]) -> str:
    """A checksum of names and sizes: found changed at the price of a look into the folder."""
    lines = "".join(f"{name} {sizes[name]}\n" for name in files)
    return "sizes:" + hashlib.sha256(lines.encode()).hexdigest()[:16]


def content_checksum(files: Iterable[str], root: Path) -> str:
    """A checksum of all bytes of the files, in order."""
    digest = hashlib.sha256()
    for name in dict.fromkeys(files):
        with (root / name).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return "sha256:" + digest.hexdigest()[:16]


def check_files(
    store: ClipStore, root: Path, numbers: NDArray[np.int64], memory: Path | None
) -> None:
    """See that every file of some clips is there and of the size it had.

    Args:
        store: of the clips.
        root: of the files.
        numbers: of the clips.
        memory: a folder in which it is remembered that they were right, for as long as the
            folders of the files are not changed; of several processes one looks. None = look.

    Raises:
        DataError: says how many files are gone, or clips changed, and names the first.
    """
    if memory is None:
        _look(store, root, numbers)
        return
    state = _state(store, root)
    what = hashlib.sha256(str(root.absolute()).encode() + numbers.tobytes()).hexdigest()[:24]
    if _remembered(memory).get(what) == state:
        return
    with only_process(memory / "checked.lock", "set REWORLD_HOME to a folder that can be written"):
        known = _remembered(memory)
        if known.get(what) != state:
            _look(store, root, numbers)
            write_record(memory / CHECKED, {**known, what: state})


def _remembered(memory: Path) -> dict[str, str]:
    file = memory / CHECKED
    fix = f"delete {file}: files are looked at again"
    found: dict[str, str] = read_record(file, dict[str, str], fix) if file.is_file() else {}
    return found


def _state(store: ClipStore, root: Path) -> str:
    """What changes where files come, go or are renamed in the folders, or a video is written."""
    digest = hashlib.sha256()
    for name in store.folders["folder"].unique().to_pylist():
        try:
            about = file_state(root / name)
        except OSError:
            about = ()
        digest.update(f"{name} {about}\n".encode())
    return digest.hexdigest()


def _look(store: ClipStore, root: Path, numbers: NDArray[np.int64]) -> None:
    sizes = _Sizes(store, root)
    changed: list[str] = []
    gone: dict[str, None] = {}
    count = 0
    for number in numbers.tolist():
        found = sizes.of(number)
        lost = [name for name, size in found if size is None]
        gone |= dict.fromkeys(lost)
        checksum = store.clips["checksum"][number].as_py()
        if not lost and "sizes:" in checksum:
            names, known = [name for name, _ in found], dict(found)
            if checksum.split()[-1] != sizes_checksum(names, known):  # type: ignore[arg-type]
                count += 1
                changed += [store.clips["clip_id"][number].as_py()][: _SHOWN - len(changed)]
    if gone:
        raise DataError(
            f"{len(gone)} of {sizes.seen} files of the index are gone from {root}: "
            + listing(list(gone)),
            "bring them back, make the index again, or name their folder with root= "
            "(clips_root= of `reworld train`, real_root= and generated_root= of the scores)",
        )
    if changed:
        message = f"{count} clips are not as they were indexed: {listing(changed, count)}"
        raise DataError(message, "make the index again")


class _Sizes:
    """Sizes of files, each looked at once."""

    def __init__(self, store: ClipStore, root: Path) -> None:
        self._store, self._root = store, root
        self._known: dict[str, int | None] = {}
        self.seen = 0

    def of(self, number: int) -> list[tuple[str, int | None]]:
        """Name and size of each file of a clip."""
        names = self._store.files(number)
        if len(self._known) > _KEPT:
            self._known = {name: self._known[name] for name in names if name in self._known}
        new = {name: file_size(self._root / name) for name in names if name not in self._known}
        self.seen += len(new)
        self._known |= new
        found: list[tuple[str, Any]] = [(name, self._known[name]) for name in names]
        return found

"""Which caches of a folder were written by a run, and with which content: one line a cache.

The list lies beside the caches. A cache that it does not name, or names with another digest, was
changed or put there since, and is built again. It protects from mix-ups and edits, not from
someone who rewrites both.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

LIST_FILE = "digests.txt"


class DigestList:
    """The list of one folder; the last line of a name counts.

    Args:
        folder: of the caches.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LIST_FILE
        self._read = 0
        self._known: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        """The digest of a cache by its file's stem; None where no run has written it."""
        if name not in self._known:
            self._read_on()
        return self._known.get(name)

    def add(self, name: str, digest: str) -> None:
        """Note what was written; several processes may add to one list."""
        self._known[name] = digest
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as stream:
            stream.write(f"{name} {digest}\n")

    def _read_on(self) -> None:
        """Read what was added since, whole lines only."""
        with contextlib.suppress(OSError):
            if self._path.stat().st_size == self._read:
                return
            with self._path.open("rb") as stream:
                stream.seek(self._read)
                content = stream.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._read += len(whole)
            for line in whole.decode("utf-8", "replace").splitlines():
                name, _, digest = line.rpartition(" ")
                self._known[name] = digest


_OPEN: dict[Path, DigestList] = {}


def digests_of(folder: Path) -> DigestList:
    """The list of a folder, read once a process."""
    if folder not in _OPEN:
        _OPEN[folder] = DigestList(folder)
    return _OPEN[folder]

"""Names of files from data: tokens, names of logs, clips and agents come from others' files.

A plain name stays what it is. Any other one (a path, a name that some system reserves or cannot
store, too long a name) becomes what is plain of it and a hash of all of it, so that no two names
share a file and none leaves its folder.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

_MAX_LENGTH = 120  # characters; with what is put before and after it a system stores 255 bytes
_PLAIN = re.compile(r"[A-Za-z0-9_+=@,][A-Za-z0-9_+=@,. -]*", re.ASCII)
_SLUG = 40  # characters of a name that is not plain which its file shows
_MARK = "~"  # in no plain name
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows


def file_name(name: str, ending: str = "") -> str:
    """A file's or folder's name for a name from data: the name itself where it is plain.

    Args:
        name: whatever the data say.
        ending: with its dot, such as `.npz`.
    """
    return (name if _is_plain(name) else _hashed(name)) + ending


def file_names(names: Iterable[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """`file_name` of each of several names in one folder, different ones also to their case.

    Args:
        names: all that the folder is to hold.
        reserved: what else lies in it.
    """
    kept = list(dict.fromkeys(names))
    taken = Counter(file_name(name).casefold() for name in kept)
    taken.update(2 * [name.casefold() for name in reserved])
    return {
        name: file_name(name) if taken[file_name(name).casefold()] == 1 else _hashed(name)
        for name in kept
    }


def _is_plain(name: str) -> bool:
    if len(name) > _MAX_LENGTH or name.endswith((".", " ")):
        return False
    return bool(_PLAIN.fullmatch(name)) and not _RESERVED.fullmatch(name)


def _hashed(name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return re.sub(r"[^A-Za-z0-9]+", "_", name)[:_SLUG].strip("_") + _MARK + digest

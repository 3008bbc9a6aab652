"""Records of a JSON array, one at a time: nuScenes' largest tables are a gigabyte each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reworld_agent.core.errors import DataError

_CHUNK = 1 << 22  # characters
_BETWEEN = " \t\r\n,"
_HINT = "extract the tables again from the archive of metadata"


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file that is a JSON array of objects, in order.

    Memory does not grow with the file.

    Raises:
        DataError: the file is missing, is no array of objects, or ends before its bracket.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            yield from _objects(stream, path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: the table is missing", _HINT) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not a JSON table ({error})", _HINT) from error


def _objects(stream: Any, path: Path) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    text, at, count = stream.read(_CHUNK).lstrip(" \t\r\n\ufeff"), 1, 0
    if not text.startswith("["):
        raise DataError(f"{path}: does not start as a JSON array", _HINT)
    while True:
        while at < len(text) and text[at] in _BETWEEN:
            at += 1
        if at < len(text) and text[at] == "]":
            return
        try:
            record, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            more = stream.read(_CHUNK)
            if not more:
                message = f"{path}: ends or breaks after record {count} ({error.msg})"
                raise DataError(message, _HINT) from error
            text, at = text[at:] + more, 0
            continue
        if not isinstance(record, dict):
            raise DataError(f"{path}: record {count} is not an object", _HINT)
        count += 1
        yield record

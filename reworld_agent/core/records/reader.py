"""Records: small JSON files that say what lies beside them, read by one typed reader.

A record of ours ends with a hash of its content, so that a damaged or a hand-made change is found
and never taken for what was written. One that says of itself that it has a hash, and has none, is
damaged; one that does not say so, of a version before 0.2.0, is checked by its types alone.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import DataError, ReWorldError
from reworld_agent.core.paths import require_plain
from reworld_agent.core.records.typed import Mistyped, typed
from reworld_agent.core.text import shown

T = TypeVar("T")
SEAL, VERSION = "record_sha256", "record_version"
_SEALED = 2  # the first version of records that have a hash
_MOST_BYTES, _READABLE = 1 << 28, 1 << 17
_MOST_INT = 1 << 63
_MOST_VALUES, _DEEPEST = 1_000_000, 100  # of a YAML file


def write_record(file: Path, content: Any) -> None:
    """Write a record, a mapping, a dataclass or a list, in one step; raises DataError."""
    text = record_bytes(content).decode()
    write_atomically(file, lambda partial: partial.write_text(text, encoding="utf-8"))


def record_bytes(content: Any) -> bytes:
    """A record as it is written."""
    values = asdict(content) if is_dataclass(content) and not isinstance(content, type) else content
    text = json.dumps(values)
    indent = 1 if len(text) < _READABLE else None  # Python's own encoder alone indents: it is slow
    plain = json.loads(text)
    if isinstance(plain, dict):  # a list of rows has no place for a hash
        plain[VERSION] = _SEALED
        plain[SEAL] = _seal(plain)
    return (json.dumps(plain, indent=indent) + "\n").encode()


def read_record(file: Path, kind: type[T], fix: str, error: type[ReWorldError] = DataError) -> T:
    """The record in a JSON file, ours or another's.

    Args:
        file: must be there.
        kind: what it must be: a dataclass, or another type of `core.records.typed`.
        fix: what to do where it is damaged, such as "delete it: it is made again".
        error: class of the error.

    Raises:
        ReWorldError: of class `error`: the file cannot be read, is not whole, or a field is not of
            its type; names the file, the field and what it must be.
    """
    try:
        require_plain(file)
        if file.stat().st_size > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES >> 20} MiB")
        content = parse_json(file.read_bytes())
        if isinstance(content, dict):
            _check_seal(content)
        return cast(T, typed(kind, content))
    except OSError as cause:
        message = f"{shown(file)}: cannot be read ({cause.strerror or cause})"
        raise error(message, fix) from cause
    except Mistyped as cause:
        message = f"{shown(file)} is damaged, or no such record: {cause.message}; {cause.hint}"
        raise error(message, fix) from cause
    except ReWorldError as cause:  # of the dataclass itself: fields that do not go together
        raise error(f"{shown(file)}: {cause.message} ({cause.hint})", fix) from cause
    except ValueError as cause:
        raise error(f"{shown(file)} is damaged ({cause})", fix) from cause


class _Loader(yaml.SafeLoader):
    """PyYAML's, which takes the last of equal keys without a word, with an error for them."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise ValueError(f"the key {key.value} stands twice{key.start_mark}")
            seen.add(key.value)
        return node


def read_yaml(file: Path) -> Any:
    """What a YAML (or JSON) file holds, in plain types.

    Raises:
        ValueError: it is none, a key stands twice, it is nested too deeply or holds itself.
        OSError: it cannot be read.
    """
    try:
        require_plain(file)
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader)
        _check_size([content], 0)
        return content
    except OSError:
        raise
    except Exception as error:  # some tags and values make PyYAML raise nearly anything
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ValueError(" ".join(reason.split())) from error


def _check_size(values: Iterable[Any], count: int, depth: int = 0) -> int:
    """See that aliases of YAML make no value that is endless, or far larger than its file."""
    for value in values:
        count += 1
        if count > _MOST_VALUES or depth > _DEEPEST:
            raise ValueError("nested too deeply, or too large")
        if isinstance(value, dict | list | tuple | set):
            inner = [*value, *value.values()] if isinstance(value, dict) else value
            count = _check_size(inner, count, depth + 1)
    return count


def parse_json(data: bytes, finite: bool = True) -> Any:
    """JSON as the standard has it.

    Args:
        data: of a file, UTF-8.
        finite: False = NaN and infinities may stand in it, as Python writes them.

    Raises:
        ValueError: it is none; a key stands twice; a number is not finite or of more than 64 bits;
            a text holds what no file name or terminal can; it is nested too deeply.
    """
    try:
        content = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_number if finite else float,
            parse_float=_finite if finite else float,
            parse_int=_bounded,
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if b"\\u" in data:  # an escape may make text that cannot be written
        text = json.dumps(content, ensure_ascii=False)
        if "\\u0000" in text:
            raise ValueError("a text holds the character 0")
        text.encode("utf-8")
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key stands twice")
    return table


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text[:20])


def _bounded(text: str) -> int:
    value = int(text) if len(text) < 24 else _MOST_INT
    if not -_MOST_INT <= value < _MOST_INT:
        raise ValueError(f"{text[:20]}... is a number of more than 64 bits")
    return value


def _check_seal(content: dict[str, Any]) -> None:
    """Take version and hash out of a record; ValueError where they say that it was changed."""
    noted = content.pop(SEAL, None)
    if noted is not None and noted != _seal(content):
        raise ValueError("its content is not what was written, by its own hash")
    if VERSION not in content:
        return
    version = content.pop(VERSION)
    if noted is None:
        raise ValueError(f"it says {VERSION}, and its hash, {SEAL}, was taken away")
    if type(version) is not int or version != _SEALED:
        raise ValueError(f"{VERSION} is {str(version)[:20]}, this code reads {_SEALED}")


def _seal(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]

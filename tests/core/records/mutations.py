"""Damage to records: of bytes, of types, of keys; what a test does with each is its own."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from reworld_agent.core.records import SEAL, VERSION

_ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1e300, float("nan"), float("inf"), 10**30, 10**400, "", "x", "../x"),
    *("\x00", "\ud800", "=1+1", [], [[]], {}, {"a": 1}, [None], "9" * 5000),
)


def of_bytes(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Bytes changed, cut out, doubled, cut short."""
    draw = random.Random(seed)
    yield b""
    for _ in range(count):
        place, length = draw.randrange(len(data)), draw.randint(1, 8)
        kind = draw.randrange(4)
        if kind == 0:
            byte = bytes([data[place] ^ (1 << draw.randrange(8))])
            yield data[:place] + byte + data[place + 1 :]
        elif kind == 1:
            yield data[:place] + data[place + length :]
        elif kind == 2:
            yield data[:place] + data[place : place + length] + data[place:]
        else:
            yield data[:place]


def of_values(data: bytes, count: int, seed: int = 0, sealed: bool = False) -> Iterator[bytes]:
    """A value of another type or size, a key gone, a key more; deep nesting.

    Args:
        data: a JSON record.
        count: how many.
        seed: of the draws.
        sealed: leave its own hash there, which no longer fits.
    """
    draw = random.Random(seed)
    deep = "[" * 5000 + "]" * 5000
    yield from (text.encode() for text in (deep, '{"a":' * 3000 + "1" + "}" * 3000, "null", "[]"))
    for _ in range(count):
        content = json.loads(data)
        if not sealed and isinstance(content, dict):
            content.pop(SEAL, None)
            content.pop(VERSION, None)
        owner, key = draw.choice(list(_places(content)))
        kind = draw.randrange(4)
        if kind == 0 and isinstance(owner, dict):
            owner[f"{key}_more"] = draw.choice(_ODD)
        elif kind == 1:
            del owner[key]
        else:
            owner[key] = draw.choice(_ODD)
        if json.loads(data) != content:
            yield json.dumps(content).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        if key == SEAL:
            continue
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])

"""What a pickle will ask for, found before it is read: sizes, memo places, containers.

Python's unpickler allocates what a pickle asks for before it looks whether the pickle is that long
(a memo place of 2^31 in six bytes takes 32 GB), and hashing a tuple in a tuple in a tuple ...
overflows the C stack. So the opcodes are walked once; their arguments are skipped, not read.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pickle import UnpicklingError

import numpy as np

# Opcodes that make a container, and what an empty one takes [bytes]. They are counted among all
# bytes of the file, whose texts and numbers hold them too: some 12 % of a text are such letters.
_TUPLES = b"t\x85\x86\x87\x91"
_CONTAINERS = {64: b"]}ld" + _TUPLES, 256: b"\x8f\x91"}
_ROOM, _ROOM_TIMES = 1 << 30, 12  # a file may fill 1 GiB, and 12 times its own size more

_PLAIN = re.escape(b"(012)]}ldteasubRNo") + rb"\x81\x85-\x89\x8f-\x94"
_SHORT = (16, 8, 32, *range(1, 8), *range(9, 16), *range(17, 32), *range(33, 128))  # by frequency
_TEXTS = b"|".join(re.escape(bytes([n])) + b".{%d}" % n for n in _SHORT)
# Bytes of arrays: of a camera's calibration, of poses and of a number or two.
_BYTES = b"|".join(re.escape(bytes([n])) + b".{%d}" % n for n in (72, 24, 40, 32, 128, 144, 8, 16))
# Groups of the opcodes whose argument has no fixed length, by their number.
_BYTE, _WORD, _LONG, _FRAME, _PUT, _LINES, _STOP = range(1, 8)
_VARIABLE = (
    rb"(?:[\x8cCU\x8a](.)|[XBT\x8b](....)|[\x8d\x8e\x96](........)|\x95(........)|p(\d{1,15})\n"
    rb"|([ISVLFg][^\n]*\n|[ci][^\n]*\n[^\n]*\n)|(\.))"
)


def scan(data: bytes) -> int:
    """Walk the opcodes of a pickle.

    Returns:
        How deep its tuples may be nested: an upper bound.

    Raises:
        UnpicklingError: it is cut short, holds an opcode that no file of data needs, or asks for
            far more memory than its size explains.
    """
    size, position = len(data), 0
    room = _ROOM + _ROOM_TIMES * size
    if size * sum(_CONTAINERS) > room:
        asked = sum(each * _count(data, opcodes) for each, opcodes in _CONTAINERS.items())
        if asked > room:
            raise UnpicklingError(f"{size} bytes ask for {asked >> 20} MB")
    high = min(size >> 24, 255)
    match = _pattern(high, 255 if high else size >> 16).match
    while True:
        found = match(data, position)
        if found is None:
            raise UnpicklingError(f"cut short, or no opcode of data, after byte {position}")
        kind, position = found.lastindex or _STOP, found.end()
        if kind == _STOP:
            return tuples(data)
        if kind <= _FRAME:
            length = int.from_bytes(found[kind], "little")
            if length > size - position:
                raise UnpicklingError(f"cut short: {length} bytes are wanted at byte {position}")
            position += 0 if kind == _FRAME else length
        elif kind == _PUT and int(found[kind]) > size:
            raise UnpicklingError(f"the memo place {int(found[kind])} of {size} bytes")


def tuples(data: bytes) -> int:
    """How many tuples a pickle makes, and how deep they may be nested: an upper bound."""
    return _count(data, _TUPLES)


def _count(data: bytes, opcodes: bytes) -> int:
    """How many bytes are one of these."""
    values = np.frombuffer(data, np.uint8)
    return sum(int(np.count_nonzero(values == opcode)) for opcode in opcodes)


@lru_cache(maxsize=32)
def _pattern(high: int, places: int) -> re.Pattern[bytes]:
    """Opcodes with arguments of fixed length, then one of variable length.

    The high byte of a memo's place is at most `high`, the next below it at most `places`: there
    are no more places than about the file has bytes.
    """
    put = b"r..[\\x00-\\x%02x][\\x00-\\x%02x]" % (places, high)
    fixed = b"[" + _PLAIN + rb"]++|[Khq\x80].|M..|[Jj]....|G........|" + put
    short = rb"\x8c(?:" + _TEXTS + b")|C(?:" + _BYTES + b")"
    return re.compile(b"(?:" + fixed + b"|" + short + b")*+" + _VARIABLE, re.DOTALL)

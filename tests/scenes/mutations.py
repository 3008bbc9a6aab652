"""What happens to files: a byte, a piece, an end, or what looks like content changes."""

from __future__ import annotations

import random

OPCODES = b"(.0Nu}]essRbtK\x94\x85\x86\x87\x88Ghr"  # of pickles


def mutate(content: bytes, draw: random.Random, likely: bytes = OPCODES) -> bytes:
    """One mutation; `likely` are bytes that mean something in this format."""
    data = bytearray(content)
    place = draw.randrange(len(data))
    kind = draw.randrange(5)
    if kind == 0:
        data[place] = draw.randrange(256)
    elif kind == 1:
        data[place : place + draw.randrange(1, 40)] = b""
    elif kind == 2:
        data[place:place] = draw.randbytes(draw.randrange(1, 20))
    elif kind == 3:
        del data[place:]
    else:
        for _ in range(8):
            data[draw.randrange(len(data))] = draw.choice(likely)
    return bytes(data)

"""What one file of other people may ask for: a small one can claim any size, and unpack to it."""

from __future__ import annotations

from pathlib import Path

from reworld_agent.core.errors import DataError
from reworld_agent.core.text import shown

MAX_PIXELS = 50_000_000  # of a picture; one of 8K has 33 million
MAX_IMAGE_BYTES = 1 << 28
MAX_ARRAY_BYTES = 1 << 33  # of an unpacked array; one that is mapped from the disk takes no memory


def check_pixels(path: Path, width: int, height: int, hint: str) -> None:
    """Raise DataError for a picture that is too large to be one of a camera."""
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{shown(path)}: a picture of {width} x {height} pixels; at most "
            f"{MAX_PIXELS // 10**6} million are read",
            hint,
        )


def check_bytes(path: Path, size: int, most: int, hint: str) -> None:
    """Raise DataError for a file, or what it unpacks to, of more bytes than `most`."""
    if size > most:
        raise DataError(f"{shown(path)}: {size:,} bytes; at most {most:,} are read", hint)

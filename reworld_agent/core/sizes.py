"""Sizes of pictures as settings: height x width in pixels."""

from __future__ import annotations

import re
from typing import Any

from reworld_agent.core.errors import UsageError

MOST = 8192  # pixels a side; one such frame of floats is 0.8 GB
_SIZE = re.compile(r"([1-9]\d*)x([1-9]\d*)", re.IGNORECASE)


def read_size(value: Any) -> tuple[int, int] | None:
    """Height and width of `704x1280`, or of such a pair; None stays. Raises UsageError."""
    if value is None or isinstance(value, tuple):
        return value
    found = _SIZE.fullmatch(str(value))
    if found is None:
        message = f"size={value} must be height x width in pixels"
        raise UsageError(message, "for example size=704x1280")
    height, width = int(found[1]), int(found[2])
    if max(height, width) > MOST:
        message = f"size={value} has more than {MOST} pixels a side"
        raise UsageError(message, "for example size=704x1280")
    return height, width

"""What files of frames do not say of themselves, and what must therefore be declared.

A float array does not say whether 0 is black or grey, an array whose sides are all 3 does not say
which are the colours, and images without a table of times do not say their rate. None of it is
guessed: a wrong guess gives a number that looks right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reworld_agent.core.errors import DataError, UsageError

Range = tuple[float, float]
UINT8: Range = (0.0, 255.0)
RANGES: tuple[Range, ...] = ((-1.0, 1.0), (0.0, 1.0), UINT8)
TCHW, THWC = "TCHW", "THWC"
LAYOUTS = (TCHW, THWC)


@dataclass(frozen=True)
class Stored:
    """How frames are stored, where their files do not say it.

    Attributes:
        range: black and white of floats, one of `RANGES`.
        layout: order of an array's axes, one of `LAYOUTS`; needed where its shape allows both.
        fps: of the frames, whatever times their files give.
    """

    range: Range | None = None
    layout: str | None = None
    fps: float | None = None


def range_text(value: Range) -> str:
    """A range as it is written in arguments: `[0,1]`."""
    return f"[{value[0]:g},{value[1]:g}]"


def read_range(value: Any) -> Range | None:
    """A range of `RANGES` from `[0,1]`, `0,1`, `0:1` or two numbers; None stays None.

    Raises:
        UsageError: it is none of them.
    """
    if value is None:
        return None
    parts = re.split(r"[,:]", value.strip("[]() ")) if isinstance(value, str) else value
    try:
        found = tuple(float(part) for part in parts) if isinstance(parts, Sequence) else ()
    except (TypeError, ValueError):
        found = ()
    for known in RANGES:
        if found == known:
            return known
    wanted = ", ".join(map(range_text, RANGES))
    raise UsageError(f"range={value} must be one of {wanted}", "say what black and white are")


def no_floats(name: str, value: Range, clips: str) -> DataError:
    """The error of a range that is declared of `clips`, none of which holds floats."""
    return DataError(
        f"{name}={range_text(value)}, and {clips} no floats: uint8 arrays, images and videos are "
        f"{range_text(UINT8)}",
        f"leave {name}= out, or store floats",
    )

"""Python's search for circles of garbage, paused while a file's objects are made.

Making a hundred thousand of them sets it off hundreds of times, over objects that all stay.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """No collection in this block, where there would be one; what was set before is set again.

    Of two threads in it the first to leave may turn it on again for the other: that costs time.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

"""What this process holds of the machine's memory."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def peak_memory() -> int:
    """Bytes that this process has held at most.

    Linux hands `ru_maxrss` on to every process that is started, so there it is at least what its
    parent held; `VmHWM` is of this process alone.
    """
    try:
        found = _PEAK.search(_STATUS.read_text())
    except OSError:  # no Linux
        found = None
    if found is not None:
        return 1024 * int(found[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most

"""Where everything lies that can be made or fetched again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_home() -> Path:
    """`$REWORLD_HOME`, else `~/.cache/reworld`."""
    return Path(os.environ.get("REWORLD_HOME") or Path.home() / ".cache" / "reworld")

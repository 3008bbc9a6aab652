"""The embedded split: a small town in exactly NAVSIM's format, made on demand, from a seed.

`ensure_split("town_test")` writes logs, maps and images of the cameras asked for, in seconds.
"""

from __future__ import annotations

from reworld_agent.scenes.synthetic.drive import SPLITS
from reworld_agent.scenes.synthetic.splits import SplitRoots, default_root, ensure_split

__all__ = ["SPLITS", "SplitRoots", "default_root", "ensure_split"]

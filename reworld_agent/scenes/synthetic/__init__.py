"""The embedded split: a small town in exactly NAVSIM's format, made on demand, from a seed.

`ensure_split("town_test")` writes logs, maps and images of the cameras asked for, in seconds.
"""

from typing import TYPE_CHECKING

from reworld_agent.core.lazy import lazy_face

if TYPE_CHECKING:
    from reworld_agent.scenes.synthetic.drive import SPLITS
    from reworld_agent.scenes.synthetic.settings import SynthSettings
    from reworld_agent.scenes.synthetic.splits import (
        SplitRoots,
        default_root,
        ensure_split,
        synth,
    )

__all__ = ["SPLITS", "SplitRoots", "SynthSettings", "default_root", "ensure_split", "synth"]

__getattr__, __dir__ = lazy_face(
    __name__,
    {
        "drive": ["SPLITS"],
        "settings": ["SynthSettings"],
        "splits": ["SplitRoots", "default_root", "ensure_split", "synth"],
    },
)

"""The embedded split: a small town in exactly NAVSIM's format, made on demand, from a seed.

`ensure_split("town_test")` writes logs, maps and images of the cameras asked for, in seconds.
`live.LiveTown` is the same town with a free ego.

Two versions stand beside each other. What it takes to leave version 5, once weights know 6:

1. `drive.SPLITS`: the plans `town6_*` become `town_*`, those of version 5 go; so do the names in
   `scenes.roots.EMBEDDED_SPLITS` and the files of `navsim_configs/train_test_split`.
2. Without a user then: `plans.PLANS` as towns (`TOWNS6` takes only cities, versions and UTM zones
   from it), `casts.CAST5`, `cameras.SENSORS["5"]`, `render/camera_view.py`, `Stage.at`,
   `shapes_street.house`.
3. Anew: the weights (`train_demo`, `train_ego_status_mlp`), `attempts.FIRST_GOOD`,
   `tests/pdm/devkit_answers`, the goldens, the notebooks and the figures of `docs/claims.yaml`.
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

"""The PDM simulator and scorer: scene caches, PDMS (NAVSIM v1.1) and EPDMS (v2.2), no torch.

```python
from reworld_agent import pdm

cache = pdm.build_scene_cache(data_root, maps_root, data_split, token)
scores = pdm.score(cache, poses)  # [N, 8 or 40, 3], ego frame; else interval_s=
rewards = pdm.Reward([cache])([token], poses[None])  # many scenes, arrays or torch tensors
```
"""

from __future__ import annotations

from pathlib import Path

from reworld_agent.pdm import metrics
from reworld_agent.pdm.api import load, score, score_many
from reworld_agent.pdm.protocols.scored_scene import ScoredScene
from reworld_agent.pdm.reward import Reward
from reworld_agent.pdm.scene_cache import SceneCache

__all__ = [
    "Reward",
    "SceneCache",
    "ScoredScene",
    "build_scene_cache",
    "load",
    "metrics",
    "score",
    "score_many",
]


def build_scene_cache(
    data_root: str | Path, maps_root: str | Path, data_split: str, token: str
) -> SceneCache:
    """The scene cache of one token, from its log and map; see `build.build_scene_cache`.

    The map libraries that it needs are imported at the first call: whoever only scores saved
    caches does not wait for them.

    Raises:
        SceneError: no log has the token, or the scene has no usable route.
        DataError: the log or the city's map is missing or damaged.
    """
    # shapely and the maps' libraries take half a second to import
    from reworld_agent.pdm.cache_io.sources import build_cache  # noqa: PLC0415

    return build_cache(Path(data_root), Path(maps_root), data_split, token)

"""The PDM simulator and scorer: scene caches, PDMS (NAVSIM v1.1) and EPDMS (v2.2), no torch.

from reworld_agent import pdm
cache = pdm.build_scene_cache(data_root, maps_root, data_split, token)
scores = pdm.score(cache, poses)   # poses [N, 8 or 40, 3], ego frame
"""

from __future__ import annotations

from reworld_agent.pdm.api import load, score, score_many
from reworld_agent.pdm.build import build_scene_cache
from reworld_agent.pdm.cache import SceneCache

__all__ = ["SceneCache", "build_scene_cache", "load", "score", "score_many"]

"""The scene cache of a token, from wherever its scene is: a synthetic scene's pickle, or a log."""

from __future__ import annotations

from pathlib import Path

from reworld_agent.pdm.cache_io.build import build_scene_cache
from reworld_agent.pdm.cache_io.from_scene_pickle import build_from_scene_pickle
from reworld_agent.pdm.golden.map_routines import require_map_routines
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.scenes.scene_pickles import scene_pickle_path


def build_cache(
    data_root: Path,
    maps_root: Path,
    data_split: str,
    token: str,
    synthetic_scenes: Path | None = None,
) -> SceneCache:
    """The scene cache of one token.

    Args:
        data_root, maps_root, data_split, token: see `build.build_scene_cache`.
        synthetic_scenes: folder of pickled scenes, which are looked through first.

    Raises:
        SceneError: no log has the token, or the scene has no usable route.
        DataError: a file is missing or damaged.
        ReWorldError: a routine that this needs is wrong in this process.
    """
    require_map_routines()
    if synthetic_scenes is not None:
        pickled = scene_pickle_path(synthetic_scenes, token)
        if pickled.is_file():
            return build_from_scene_pickle(pickled, maps_root)
    return build_scene_cache(data_root, maps_root, data_split, token)

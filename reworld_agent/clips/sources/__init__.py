"""Sources of clips behind one Protocol: nuScenes, nuPlan, OpenScene, folders, the embedded town.

`docs/extending/clip_source.md` shows how one is added from outside.
"""

from __future__ import annotations

from reworld_agent.clips.sources.protocol import ClipSource, Options, SourceBuilder
from reworld_agent.core.extending.registry import Registry

__all__ = ["CLIP_SOURCES", "ClipSource", "Options", "SourceBuilder", "open_source"]

_HERE = "reworld_agent.clips.sources"
CLIP_SOURCES: Registry[SourceBuilder] = Registry(
    "clip_source",
    {
        "nuscenes": f"{_HERE}.nuscenes:NuScenes",
        "nuplan": f"{_HERE}.nuplan:NuPlan",
        "openscene": f"{_HERE}.openscene:OpenScene",
        "folder": f"{_HERE}.folder:Folder",
        "town": f"{_HERE}.town:Town",
    },
)


def open_source(name: str) -> ClipSource:
    """The source of a name, or of `package.module:name`; ConfigError where there is none."""
    return CLIP_SOURCES.get(name, "source")()

"""Sources of clips behind one Protocol: nuScenes, nuPlan, OpenScene, folders, the embedded town.

`docs/extending/clip_source.md` shows how one is added from outside.
"""

from __future__ import annotations

from reworld_agent.clips.sources.protocol import ClipSource, Options, SourceBuilder
from reworld_agent.core.errors import ConfigError
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
    """The source of a name, or of `package.module:name`.

    Raises:
        UsageError: there is none. ConfigError: it cannot be made, or is no source of clips.
    """
    builder = CLIP_SOURCES.get(name, "source")
    hint = "see docs/extending/clip_source.md: a class with fps, options and recordings()"
    try:
        source = builder()
    except Exception as error:  # whatever the code of others raises
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ConfigError(f"source={name} cannot be made ({reason})", hint) from error
    missing = [part for part in ("fps", "options", "recordings") if not hasattr(source, part)]
    if missing:
        raise ConfigError(f"source={name} is no source of clips: it has no {missing[0]}", hint)
    return source

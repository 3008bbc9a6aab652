"""Downloads as NAVSIM's scripts leave them: found, and the command that puts them in their place.

The scripts unpack into `mini_navsim_logs/mini`, `openscene-v1.1/meta_datas/mini`,
`test_sensor_blobs/test` and the like; the splits are read from `navsim_logs/<split>` and
`sensor_blobs/<split>`.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from reworld_agent.core.errors import UsageError
from reworld_agent.core.text import shown

LOGS, BLOBS = "navsim_logs", "sensor_blobs"
MAPS_INDEX = "nuplan-maps-v1.0.json"
_DEPTH = 3  # folders below the root
_WIDTH = 64  # folders of one folder that are looked into
_LOOKED_AT = 4000  # folders in all


def find_download(root: Path, kind: str, split: str) -> Path | None:
    """A folder of this split's logs or sensor data that lies elsewhere below a root.

    Args:
        root: the folder that `OPENSCENE_DATA_ROOT` names.
        kind: LOGS or BLOBS.
        split: e.g. "mini".
    """
    holds = _holds_logs if kind == LOGS else _holds_images
    named = [path for path in _folders(root) if split in (path.name, _stem(path.name))]
    inner = [path for path in named if path.name == split and holds(path)]
    found = inner or [path for path in named if holds(path)]
    return next((path for path in found if path != root / kind / split), None)


def command(found: Path, root: Path, kind: str, split: str) -> str:
    """The shell command that makes a download known as a split."""
    place = root / kind / split
    folder, source = shlex.quote(str(place.parent)), shlex.quote(str(found.absolute()))
    return f"mkdir -p {folder} && ln -s {source} {shlex.quote(str(place))}  (or mv for ln -s)"


def require_data_root(root: Path, split: str, source: str) -> None:
    """Raise UsageError where a root holds no `navsim_logs`, and name one nearby that does.

    Of several that one is named which holds the split, and none where none does.
    """
    if (root / LOGS).is_dir():
        return
    what = f"{source} is no folder" if not root.is_dir() else f"{source} holds no folder {LOGS}"
    near = [*root.absolute().parents[:_DEPTH], *_folders(root, depth=2)]
    roots = [path for path in near if (path / LOGS).is_dir()]
    found = [path for path in roots if (path / LOGS / split).is_dir()]
    found = found or (roots if len(roots) == 1 else [])
    hint = "it is the folder that holds navsim_logs and sensor_blobs"
    if found:
        hint = f"export OPENSCENE_DATA_ROOT={shlex.quote(str(found[0].absolute()))}"
    raise UsageError(what, hint)


def maps_hint(root: Path) -> str:
    """What to do where maps are missing: download them, or name the folder nearby that holds some.

    Args:
        root: the folder that `NUPLAN_MAPS_ROOT` names.
    """
    if _holds_maps(root):
        return f"download maps into NUPLAN_MAPS_ROOT={shown(str(root))}"
    near = [root.parent, *_folders(root, depth=2)]
    found = next((path for path in near if _holds_maps(path)), None)
    if found is not None:
        return f"export NUPLAN_MAPS_ROOT={shlex.quote(str(found.absolute()))}"
    return (
        f"set NUPLAN_MAPS_ROOT to the folder that holds {MAPS_INDEX} and a folder for each city "
        f"({shown(str(root))} does not), or download the maps"
    )


def where_it_lies(root: Path, split: str, source: str) -> UsageError | None:
    """The error for a split whose logs lie elsewhere below a root; None where they do not."""
    here = root.absolute()
    inside = next((path for path in (here, *here.parents[:1]) if path.name == LOGS), None)
    if inside is not None and (inside / split).is_dir():  # `navsim_logs` itself, or a split of it
        what = f"{source} lies in the folder {LOGS}, which holds {shown(split)}"
        return UsageError(what, f"export OPENSCENE_DATA_ROOT={shlex.quote(str(inside.parent))}")
    found = find_download(root, LOGS, split)
    if found is None:
        return None
    what = f"{source} has no {LOGS}/{shown(split)}; the logs lie in {shown(str(found))}"
    fixes = [command(found, root, LOGS, split)]
    blobs = find_download(root, BLOBS, split)
    if blobs is not None and not (root / BLOBS / split).exists():
        fixes.append(command(blobs, root, BLOBS, split))
    return UsageError(what, " ; ".join(fixes))


def _stem(name: str) -> str:
    """`mini` of `mini_navsim_logs`, `mini_sensor_blobs`, `private_test_hard_navsim_log` ..."""
    for ending in ("_navsim_logs", "_navsim_log", "_sensor_blobs", "_navsim_sensor"):
        if name.endswith(ending):
            return name.removesuffix(ending)
    return name


def _folders(root: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """Folders below a root, the nearer ones first, not many of one folder."""
    level, looked_at = [root], 0
    for _ in range(depth):
        below: list[Path] = []
        for folder in level:
            below += _inside(folder)[:_WIDTH]
            looked_at += 1
            if looked_at > _LOOKED_AT:
                return
        yield from below
        level = below


def _inside(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            paths = [Path(entry.path) for entry in entries]
    except OSError:
        return []
    return sorted(path for path in paths if path.is_dir())


def _holds_logs(folder: Path) -> bool:
    return any(path.suffix == ".pkl" for path in folder.glob("*.pkl"))


def _holds_images(folder: Path) -> bool:
    """Cameras in it, or drives with cameras."""
    below = _inside(folder)
    return any((path / "CAM_F0").is_dir() or path.name == "CAM_F0" for path in below[:_WIDTH])


def _holds_maps(folder: Path) -> bool:
    return (folder / MAPS_INDEX).is_file() or any(folder.glob("*/*/map.gpkg"))

"""Are the scene caches what runs wrote: whole, of this version, of the scenes that they name?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from reworld_agent.core.errors import DataError, ReWorldError
from reworld_agent.core.findings import FAIL, OK, WARN, Finding
from reworld_agent.core.guards.file_names import file_name
from reworld_agent.core.records import read_record

if TYPE_CHECKING:
    from reworld_agent.pdm.cache_io.folder import SceneCaches
    from reworld_agent.pdm.scene_cache import SceneCache

_SHOWN = 3
_REBUILT = 12  # caches of a folder that are built anew and compared, where its split is named


@dataclass
class _Folder:
    """What lies in one folder of caches."""

    path: Path
    manifest: dict[str, Any] | None
    whole: int = 0
    size: int = 0
    damaged: list[str] = field(default_factory=list)  # truncated, half-written, other version
    misnamed: list[str] = field(default_factory=list)  # hold another scene than they say
    changed: list[str] = field(default_factory=list)  # not what a run wrote
    unlisted: int = 0  # of which no list says what a run wrote
    rebuilt: int = 0  # compared with what the data give now
    foreign: list[str] = field(default_factory=list)  # no cache at all


def check_caches(root: Path | None = None, split: str | None = None) -> Iterator[Finding]:
    """Every folder of scene caches.

    Args:
        root: of the folders; None takes `scene_caches` in the cache folder.
        split: only its folders, and whether they are those that a run would use now.
    """
    from reworld_agent.core.paths import cache_home

    root = root or cache_home() / "scene_caches"
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    current = _current(split, root) if split else None
    if split:
        folders = [path for path in folders if path.name.rpartition("-")[0] == split]
        if current is not None and current.folder not in folders:
            what = f"none yet for split {split} as it is now; the next run builds them"
            yield Finding("scene caches", OK, what)
    elif not folders:
        yield Finding("scene caches", OK, f"none in {root}; the first run builds them")
    for path in folders:
        built_by = current if current is not None and path == current.folder else None
        yield _finding(_look(path, built_by), stale=current is not None and built_by is None)


def _current(split: str, root: Path) -> SceneCaches:
    from reworld_agent.pdm.cache_io.folder import SceneCaches
    from reworld_agent.scenes.splits import resolve_split

    roots = resolve_split(split, ())
    return SceneCaches(roots.data_root, roots.maps_root, split, root)


def _look(path: Path, built_by: SceneCaches | None) -> _Folder:
    """What lies in a folder; some of the caches are built anew where its data are known."""
    from reworld_agent.pdm.cache_io.digests import LIST_FILE, DigestList
    from reworld_agent.pdm.scene_cache import SceneCache

    folder = _Folder(path, _manifest(path / "manifest.json"))
    listed, origin = DigestList(path), path.name.rpartition("-")[2]
    own = ("manifest.json", LIST_FILE)
    files = sorted(file for file in path.iterdir() if file.name not in own)
    again = set(files[:: max(len(files) // _REBUILT, 1)]) if built_by is not None else set()
    for file in tqdm(files, desc="reading caches", unit="scene", delay=3.0, leave=False):
        if file.suffix != ".npz":
            folder.foreign.append(file.name)
            continue
        folder.size += file.stat().st_size
        if file.name.startswith("."):  # the writer was killed before it renamed its file
            folder.damaged.append(file.name)
            continue
        try:
            cache, digest = SceneCache.read(file)
        except (DataError, TypeError, ValueError):
            folder.damaged.append(file.name)
            continue
        written = listed.get(file.stem)
        folder.unlisted += written is None
        if file_name(cache.token, ".npz") != file.name:
            folder.misnamed.append(file.name)
        elif (
            (written is not None and written != digest)
            or cache.origin not in ("", origin)
            or (built_by is not None and file in again and not _same(cache, built_by))
        ):
            folder.changed.append(file.name)
        else:
            folder.whole += 1
        folder.rebuilt += file in again
    return folder


def _same(cache: SceneCache, caches: SceneCaches) -> bool:
    """Whether the data give the same cache now."""
    try:
        again = caches.build(cache.token)
    except ReWorldError:
        return False
    cache.origin = again.origin
    return all(
        np.array_equal(left, right, equal_nan=getattr(left, "dtype", np.dtype(int)).kind == "f")
        for left, right in zip(vars(cache).values(), vars(again).values(), strict=True)
    )


def _manifest(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = read_record(path, dict[str, Any], "")
    except DataError:
        return None
    return found


def _finding(folder: _Folder, stale: bool) -> Finding:
    manifest = folder.manifest or {}
    name = f"caches {folder.path.name}"
    what = f"{folder.whole:,} scenes, {folder.size / 1e6:.1f} MB"
    remove = f"rm -r '{folder.path}' ; the next run builds them anew"
    named = f"{manifest.get('data_split')}-{manifest.get('digest')}"
    if folder.misnamed:
        shown = _names(folder.misnamed)
        return Finding(
            name, FAIL, f"{what}; files hold another scene than their name: {shown}", remove
        )
    if folder.changed:
        what += f"; not what a run wrote, or what the data give: {_names(folder.changed)}"
        return Finding(name, FAIL, what, remove)
    if folder.manifest is not None and named != folder.path.name:
        return Finding(name, FAIL, f"{what}; its manifest is of another folder ({named})", remove)
    if folder.damaged:
        files = " ".join(f"'{folder.path / item}'" for item in folder.damaged[:20])
        what += f"; not whole, or of another version: {_names(folder.damaged)}"
        return Finding(name, WARN, what, f"rm {files} ; the next run builds them anew")
    if folder.unlisted:
        what += f"; {folder.unlisted} of them in no list of what a run wrote: no run reads those"
        return Finding(name, WARN, what, remove)
    if folder.foreign:
        return Finding(name, WARN, f"{what}; files that are no caches: {_names(folder.foreign)}")
    if folder.manifest is None:
        fix = f"reworld score of this split writes it; or {remove}"
        return Finding(name, WARN, f"{what}; no readable manifest.json says of which data", fix)
    what += f"; split {manifest.get('data_split')}, version {manifest.get('code_version')}, "
    what += f"numpy {manifest.get('numpy')}"
    if folder.rebuilt:
        what += f"; {folder.rebuilt} built anew, equal"
    if stale:
        what += "; of earlier code or data, no run reads it"
        return Finding(name, WARN, what, f"rm -r '{folder.path}' frees its room")
    return Finding(name, OK, what)


def _names(names: list[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{rest} ({len(names)})"

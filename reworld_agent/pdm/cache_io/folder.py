"""The folder of scene caches of one split: built once, shared by every run, never stale.

The folder's name holds a digest of what a cache depends on: the content of the split's logs, maps
and synthetic scenes, by their names, and the code that builds it. Paths and times are no part of
it: data may move, or be copied.

A log's hash is the one that the index of logs found when it was read; other files are hashed once,
0.6 s a GB (`records.file_hashes`). A run that finds its caches opens no log.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import reworld_agent
from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.file_names import file_name
from reworld_agent.core.paths import cache_home
from reworld_agent.core.provenance import blas_name, code_version
from reworld_agent.core.records import write_record
from reworld_agent.core.records.file_hashes import file_hashes
from reworld_agent.pdm.cache_io.digests import digests_of
from reworld_agent.pdm.scene_cache import SceneCache
from reworld_agent.scenes.log_index import open_index
from reworld_agent.scenes.scene_pickles import list_scene_pickles

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from reworld_agent.pdm.traffic.rails import Rails

_BUILDERS = ("pdm", "scenes")
_TOLD: set[Path] = set()  # folders of which this process has said that they cannot be written


@dataclass(frozen=True)
class SceneCaches:
    """Scene caches of one split.

    Attributes:
        data_root, maps_root, data_split: where the split lies.
        root: folder of all caches; None takes `scene_caches` in the cache folder.
        synthetic_scenes: folder of the pickles of stage two; None where there is only one stage.
    """

    data_root: Path
    maps_root: Path
    data_split: str
    root: Path | None = None
    synthetic_scenes: Path | None = None

    @cached_property
    def data_digest(self) -> str:
        """Digest of the split's logs and maps; DataError where one cannot be read."""
        index = open_index(self.data_root / "navsim_logs" / self.data_split)
        logs = {path.name: index.sha256(path) for path in index.paths}
        unread = [path for path in index.paths if logs[path.name] is None]
        content = [
            logs | _hashes(index.folder, unread),
            _hashes(self.maps_root, sorted(self.maps_root.glob("*/*/map.gpkg"))),
        ]
        if self.synthetic_scenes is not None:
            pickles = list_scene_pickles(self.synthetic_scenes)
            content.append(_hashes(self.synthetic_scenes, pickles))
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def digest(self) -> str:
        """Digest of everything that a cache depends on: data and code."""
        return hashlib.sha256((self.data_digest + code_digest()).encode()).hexdigest()[:16]

    @cached_property
    def folder(self) -> Path:
        """Where this split's caches lie."""
        root = self.root or cache_home() / "scene_caches"
        return root / f"{file_name(self.data_split)}-{self.digest}"

    def get(self, token: str) -> SceneCache:
        """The scene's cache, loaded, or built and, where there is room for it, saved.

        Raises:
            ReWorldError: the scene cannot be built; names the log, map or token.
        """
        path = self.folder / file_name(token, ".npz")
        if path.is_file():
            try:
                cache, digest = SceneCache.read(path)
                fault = self._fault(cache, digest, token, path)
                if not fault:
                    return cache
                logger.warning("%s: %s; it is built again", path, fault)
            except DataError:  # half-written or of another version: made again
                pass
            with suppress(OSError):  # in a folder that cannot be written it stays
                path.unlink(missing_ok=True)
        cache = replace(self.build(token), origin=self.digest)
        try:
            digests_of(self.folder).add(path.stem, cache.save(path))
        except DataError as error:
            _tell_unkept(self.folder, error.message)
        return cache

    def _fault(self, cache: SceneCache, digest: str, token: str, path: Path) -> str:
        """Why a cache that was read does not answer for a token here; "" where it does."""
        if cache.token != token:
            return f"holds the scene {cache.token}"
        if cache.origin != self.digest:
            return "was built from other data, or by other code"
        if digests_of(self.folder).get(path.stem) != digest:
            return "is not what a run has written (changed, or put here, since)"
        return ""

    def build(self, token: str) -> SceneCache:
        """The scene's cache, built anew from the data; raises ReWorldError."""
        # the maps' libraries take half a second to import, and most runs find their caches
        from reworld_agent.pdm.cache_io.sources import build_cache  # noqa: PLC0415

        roots = self.data_root, self.maps_root
        return build_cache(*roots, self.data_split, token, self.synthetic_scenes)

    def rails(self, cache: SceneCache) -> Rails:
        """What the scene's vehicles drive on where they react; see `traffic.rails`."""
        # the same libraries, needed only with reactive traffic
        from reworld_agent.pdm.traffic.rails import build_rails  # noqa: PLC0415

        return build_rails(cache, self.maps_root)

    def write_manifest(self) -> None:
        """Say in the folder itself what it holds, where it can be written."""
        path = self.folder / "manifest.json"
        manifest = {
            "data_split": self.data_split,
            "tokens": sum(1 for _ in self.folder.glob("*.npz")),
            "digest": self.digest,
            "code_version": code_version(),
            "numpy": np.__version__,
            "blas": blas_name(),
        }
        try:
            write_record(path, manifest)
        except DataError as error:
            _tell_unkept(self.folder, error.message)


def _tell_unkept(folder: Path, why: str) -> None:
    """Say once in a process that caches are not kept: no score needs them, the next run does."""
    if folder not in _TOLD:
        _TOLD.add(folder)
        logger.warning(
            "%s: scene caches are not kept, the next run builds them again (%s)", folder, why
        )


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Digest of the sources that build and score scene caches."""
    package = Path(reworld_agent.__file__).parent
    digest = hashlib.sha256()
    for path in _sources(package):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _sources(package: Path) -> Iterable[Path]:
    return sorted(path for room in _BUILDERS for path in (package / room).rglob("*.py"))


def _hashes(folder: Path, files: Sequence[Path]) -> dict[str, str]:
    """Hash of each file by its path below the folder."""
    names = [file.relative_to(folder).as_posix() for file in files]
    return dict(zip(names, file_hashes(folder, files), strict=True))

"""Scenes by their tokens, ready to score and kept: what a process of rewards holds."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.file_names import file_name
from reworld_agent.core.records.file_hashes import file_state
from reworld_agent.pdm.cache_io.digests import digests_of
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.protocols.scored_scene import ScoredScene
from reworld_agent.pdm.scene_cache import SceneCache

_SHOWN = 3  # tokens that a message names


@dataclass(frozen=True)
class Source:
    """Where scenes come from.

    Attributes:
        split: builds what it lacks; or
        folder: of files `<token>.npz`; or
        held: caches by token, each an object or the path of its file.
    """

    split: SceneCaches | None = None
    folder: Path | None = None
    held: Mapping[str, SceneCache | Path] = field(default_factory=dict)

    def missing(self, tokens: Iterable[str]) -> list[str]:
        """Those tokens that have no cache, and whose cache cannot be built here."""
        if self.split is not None:
            return []  # only building tells, which names the log and the token
        if self.folder is not None:
            folder = self.folder
            return [one for one in tokens if not (folder / file_name(one, ".npz")).is_file()]
        return [one for one in tokens if one not in self.held]

    def path(self, token: str) -> Path | None:
        """The file of a scene; None where its cache is an object."""
        if self.split is not None:
            return self.split.folder / file_name(token, ".npz")
        if self.folder is not None:
            return self.folder / file_name(token, ".npz")
        held = self.held[token]
        return None if isinstance(held, SceneCache) else held

    def load(self, token: str) -> SceneCache:
        """A scene's cache; raises ReWorldError where there is none, or another scene's."""
        if self.split is not None:
            return self.split.get(token)
        path = self.path(token)
        if path is None:
            held = self.held[token]
            assert isinstance(held, SceneCache)
            return held
        cache, digest = SceneCache.read(path)
        listed = digests_of(path.parent).get(path.stem)
        fault = f"holds the scene {cache.token}" if cache.token != token else ""
        if listed not in (None, digest):
            fault = "is not what a run has written (changed, or put here, since)"
        if fault:
            raise DataError(
                f"{path}: the cache of scene {token} {fault}", "delete it and build it again"
            )
        return cache


def source_of(caches: object) -> Source:
    """A source from what a caller gives.

    Args:
        caches: `SceneCaches` of a split; a folder of `<token>.npz`; a mapping of tokens to caches
            or their files; or a sequence of caches or of files, read once for their tokens.

    Raises:
        DataError: none of these, no such folder, no caches, or two of one token.
    """
    if isinstance(caches, SceneCaches):
        return Source(split=caches)
    if isinstance(caches, str | Path):
        return Source(folder=_folder(Path(caches)))
    if isinstance(caches, SceneCache):
        caches = [caches]
    if isinstance(caches, Mapping):
        pairs = [(str(token), _one(cache)) for token, cache in caches.items()]
    elif isinstance(caches, Iterable):
        pairs = [_named(_one(cache)) for cache in caches]
    else:
        raise DataError(
            f"{type(caches).__name__} holds no scene caches",
            "give a folder of caches, SceneCaches of a split, or the caches themselves",
        )
    held = dict(pairs)
    if not held:
        raise DataError("no scene caches were given", "build them with pdm.build_scene_cache")
    if len(held) < len(pairs):
        raise DataError(f"{len(pairs) - len(held)} caches have another's token", "give each once")
    return Source(held=held)


def require_all(source: Source, tokens: Iterable[str]) -> None:
    """Raise DataError, before anything is scored, where scenes have no cache."""
    missing = source.missing(tokens)
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else "")
        raise DataError(
            f"{len(missing)} scenes have no cache: {shown}",
            "build them with pdm.build_scene_cache, or give the SceneCaches of their split",
        )


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise DataError(f"{path}: no such folder of scene caches", "build them first")
    return path.resolve()


def _one(cache: object) -> SceneCache | Path:
    if isinstance(cache, SceneCache):
        return cache
    if isinstance(cache, ScoredScene):
        return cache.cache
    if isinstance(cache, str | Path):
        return Path(cache).resolve()
    raise DataError(f"{type(cache).__name__} is no scene cache", "give SceneCache, or its file")


def _named(cache: SceneCache | Path) -> tuple[str, SceneCache | Path]:
    token = cache.token if isinstance(cache, SceneCache) else SceneCache.load(cache).token
    return token, cache


class Scenes:
    """Scenes of a source, kept ready in this process: the latest `keep` of them.

    Args:
        source: where they come from.
        keep: how many scenes stay in memory; one of the embedded town takes some 0.7 MB.
    """

    def __init__(self, source: Source, keep: int) -> None:
        self._source, self._keep = source, keep
        self._ready: OrderedDict[str, tuple[ScoredScene, _State]] = OrderedDict()
        self._first: dict[str, str] = {}  # content of each file when it was first read

    def __getitem__(self, token: str) -> ScoredScene:
        """A scene, ready to score.

        Raises:
            DataError: its file holds another content than when it was first read: rewards of one
                training would not be of one kind.
        """
        path = self._source.path(token)
        known = self._ready.get(token)
        if known is None or _state(path) != known[1]:
            cache = self._source.load(token)
            content = _content(cache)
            if self._first.setdefault(token, content) != content:
                raise DataError(
                    f"{path}: the cache of scene {token} has changed since it was first read",
                    "make a new Reward, and say which of its scores are of which data",
                )
            known = self._ready[token] = (ScoredScene(cache), _state(path))
        self._ready.move_to_end(token)
        while len(self._ready) > self._keep:
            self._ready.popitem(last=False)
        return known[0]


_State = tuple[int, ...] | None


def _state(path: Path | None) -> _State:
    """What tells one state of a file from another; None for caches that are objects."""
    if path is None or not path.is_file():  # a folder that cannot be written keeps none
        return None
    return file_state(path)


def _content(cache: SceneCache) -> str:
    """Hash of all that a cache holds."""
    digest = hashlib.sha256()
    for item in fields(cache):
        value = getattr(cache, item.name)
        digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.hexdigest()

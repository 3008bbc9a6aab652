"""The node of a settings class in Hydra's ConfigStore: its names, types and defaults."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any, Optional

from omegaconf import MISSING, DictConfig, OmegaConf

from reworld_agent.core.sections import path_below, sections_of
from reworld_agent.core.settings import Field, Settings, fields_of

GROUPS = ("agent", "train_test_split")  # their files say what stands below them
_Entry = tuple[Any, Any]  # type, dataclass field


def node(settings: type[Settings]) -> DictConfig:
    """The node of a settings class; names that it lacks may be merged into its top.

    `agent/reworld.yaml` brings keys of its own (`stage`, `model`), which only some commands take.
    """
    made: DictConfig = OmegaConf.structured(_dataclass(settings.__name__, _entries(settings)))
    OmegaConf.set_struct(made, False)
    return made


def _entries(settings: type[Settings]) -> dict[str, Any]:
    """By key the entry of a setting, or the entries of what stands below."""
    found: dict[str, Any] = {field.key: _entry(field) for field in fields_of(settings)}
    for part in sections_of(settings):
        if part.kind is None or part.kind.prefix in GROUPS:
            continue
        *above, last = path_below(part.kind, settings) or [""]
        place = found
        for name in above:
            place = place.setdefault(name, {})
        inner = _entries(part.kind)
        if not last:
            place.update(inner)
        elif any(one.kind is None for one in sections_of(part.kind)):  # any name: a plain mapping
            values = {key: _plain(default) for key, (_, default) in inner.items()}
            place[last] = (dict[str, Any], dataclasses.field(default_factory=partial(dict, values)))
        else:
            place[last] = inner
    for group in GROUPS:
        if any((part.kind and part.kind.prefix) == group for part in sections_of(settings)):
            found[group] = _table()
    return found


def _entry(field: Field) -> _Entry:
    if field.about.keys is not None:
        return _table()
    default: Any = MISSING if field.required else _plain_value(field.default)
    if isinstance(default, list):
        return Any, dataclasses.field(default_factory=partial(list, default))
    # one or a list: OmegaConf knows no such type, and the settings check it
    kind: Any = Any if field.many or field.about.read else field.kind
    kind = str if kind is Path else kind  # yaml has no paths
    kind = Optional[kind] if field.optional else kind  # noqa: UP045
    return kind, dataclasses.field(default=default)


def _table() -> _Entry:
    return dict[str, Any], dataclasses.field(default_factory=dict)


def _plain(default: Any) -> Any:
    if default.default is not dataclasses.MISSING:
        return default.default
    return default.default_factory()


def _plain_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def _dataclass(name: str, entries: dict[str, Any]) -> type:
    fields = []
    for key, entry in entries.items():
        if isinstance(entry, dict):
            inner = _dataclass(key, entry)
            fields.append((key, inner, dataclasses.field(default_factory=inner)))
        else:
            fields.append((key, *entry))
    return dataclasses.make_dataclass(name, fields)

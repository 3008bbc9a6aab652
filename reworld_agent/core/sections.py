"""Settings inside of settings: sections of a command's arguments, and tables of open names.

    @dataclass(frozen=True, kw_only=True)
    class Validation(Settings, prefix="validation"):
        every: int = setting("optimiser steps from one validation to the next", 500, least=0)

    @dataclass(frozen=True, kw_only=True)
    class TrainRun(Settings):
        validation: Validation = section(Validation)

Where a section stands among the arguments is said by its prefix alone: one without a prefix has its
settings beside those of its owner.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import (
    SECTION,
    Field,
    Keys,
    Settings,
    as_text,
    did_you_mean,
    fields_of,
)
from reworld_agent.core.text import shown

Chosen = TypeVar("Chosen", bound=Settings)
_NOT_GIVEN = "???"  # OmegaConf's mark of what must be given


@dataclass(frozen=True)
class Section:
    """A field that holds further settings.

    Attributes:
        name: of the field.
        kind: class of what it holds; None = the rest: a mapping of the names that no field has.
        keys: names of the rest; None = any.
    """

    name: str
    kind: type[Settings] | None
    keys: Keys | None = None


def section(kind: type[Settings]) -> Any:
    """A field of a `Settings` dataclass that holds the settings of another one."""
    return dataclasses.field(default_factory=kind, metadata={SECTION: Section("", kind)})


def rest(keys: Keys | None = None) -> Any:
    """A field `Mapping[str, Any]` of a `Settings` dataclass: what stands beside its own fields.

    Args:
        keys: gives the names that there may be, or None where any may.
    """
    about = Section("", None, keys)
    return dataclasses.field(default_factory=dict, metadata={SECTION: about})


def sections_of(settings: type[Settings]) -> tuple[Section, ...]:
    """The sections of a settings class, in order, and its rest."""
    found = [one for one in dataclasses.fields(settings) if SECTION in one.metadata]
    return tuple(dataclasses.replace(one.metadata[SECTION], name=one.name) for one in found)


def all_fields(settings: type[Settings]) -> tuple[Field, ...]:
    """The fields of a settings class and of its sections, in the order in which they stand."""
    own = {field.name: field for field in fields_of(settings)}
    kinds = {part.name: part.kind for part in sections_of(settings)}
    found: list[Field] = []
    for one in dataclasses.fields(settings):
        if one.name in own:
            found.append(own[one.name])
        elif (kind := kinds[one.name]) is not None:
            found += all_fields(kind)
    return tuple(found)


def path_below(kind: type[Settings], owner: type[Settings]) -> list[str]:
    """Names that lead from a class's settings to those of one of its sections."""
    below = kind.prefix.removeprefix(owner.prefix).strip(".")
    return below.split(".") if below else []


def from_mapping(
    settings: type[Chosen], values: Mapping[str, Any], strangers: bool = False
) -> Chosen:
    """Settings from a nested mapping, such as a configuration file's.

    Args:
        settings: the class.
        values: plain values; sections are mappings. Hydra's own names, such as `_target_`, are
            passed over.
        strangers: names at the top that no field has are left alone; below they never are.

    Raises:
        UsageError: a name is unknown or a required one missing; a value has the wrong type, is
            out of its range or none of its choices.
    """
    left = {
        key: _copy(value)
        for key, value in values.items()
        if not str(key).startswith("_") and value != _NOT_GIVEN
    }
    given = {field.name: left.pop(field.key) for field in fields_of(settings) if field.key in left}
    for part in sections_of(settings):
        if part.kind is not None:
            given[part.name] = from_mapping(part.kind, _taken(left, part.kind, settings))
    for part in sections_of(settings):
        if part.kind is None:
            _check_rest(settings, part, left)
            given[part.name], left = left, {}
    left = {key: value for key, value in left.items() if value != {}}  # the way to a section
    if left and not strangers:
        raise unknown(settings, _first_word(settings, left))
    missing = [field for field in fields_of(settings) if field.required and field.name not in given]
    if missing:
        raise UsageError(f"{missing[0].word}= is missing", f"it must be {missing[0].wanted}")
    return settings(**given)


def unknown(settings: type[Settings], word: str, also: Iterable[str] = ()) -> UsageError:
    """The error of a word that no setting has, with the nearest one; `also` are words as well."""
    known = [*known_words(settings), *also]
    hint = did_you_mean(word.lstrip("-+~"), known, "--help names all settings", "{}=")
    return UsageError(f"{shown(word)}= is unknown", hint)


def known_words(settings: type[Settings]) -> list[str]:
    """All words of a class, sections and named tables included."""
    words: list[str] = []
    for field in all_fields(settings):
        words.append(field.word)
        words += [f"{field.word}.{key}" for key in _names(field.about.keys) or ()]
    for prefix, keys in _rests(settings).items():
        words += [".".join(filter(None, [prefix, key])) for key in _names(keys) or ()]
    return words


def is_known(settings: type[Settings], word: str) -> bool:
    """Whether a word is a setting, a whole section, or a name below an open table."""
    for field in all_fields(settings):
        if word == field.word or field.word.startswith(word + "."):
            return True
        if field.about.keys is not None and word.startswith(field.word + "."):
            return _is_among(word.removeprefix(field.word + "."), field.about.keys)
    for prefix, keys in _rests(settings).items():
        if word.startswith(prefix + ".") or not prefix:
            return _is_among(word.removeprefix(prefix + "."), keys)
    return False


def _is_among(below: str, keys: Keys | None) -> bool:
    names = _names(keys)
    return names is None or below.partition(".")[0] in names


def _names(keys: Keys | None) -> Sequence[str] | None:
    return None if keys is None else keys()


def _rests(settings: type[Settings]) -> dict[str, Keys | None]:
    """By prefix the names of every open rest; the deepest prefix first."""
    found: dict[str, Keys | None] = {}
    for part in sections_of(settings):
        if part.kind is None:
            found[settings.prefix] = part.keys
        else:
            found |= _rests(part.kind)
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def _taken(left: dict[str, Any], kind: type[Settings], owner: type[Settings]) -> dict[str, Any]:
    """What a section has of its owner's values, which lose it."""
    path = path_below(kind, owner)
    if not path:
        keys = [field.key for field in all_fields(kind) if field.key in left]
        return {key: left.pop(key) for key in keys}
    *above, last = path
    for name in above:
        left = left.get(name, {})
        if not isinstance(left, dict):
            break
    found = left.pop(last, {}) if isinstance(left, dict) else left
    if found is None:
        return {}
    if not isinstance(found, dict):
        message = f"{kind.prefix}={as_text(found)} must be a table of settings"
        raise UsageError(message, f"write {kind.prefix}.NAME=VALUE")
    return found


def _check_rest(settings: type[Settings], part: Section, left: Mapping[str, Any]) -> None:
    known = _names(part.keys)
    if known is None:
        return
    for key in left:
        if key not in known:
            raise unknown(settings, ".".join(filter(None, [settings.prefix, str(key)])))


def _first_word(settings: type[Settings], left: Mapping[str, Any]) -> str:
    """The first name that is left over, to its full depth."""
    names, value = [settings.prefix] if settings.prefix else [], left
    while isinstance(value, Mapping) and value:
        key = next(iter(value))
        names, value = [*names, str(key)], value[key]
    return ".".join(names)


def _copy(values: Any) -> Any:
    """Nested mappings as dictionaries of our own; all else as it is."""
    if isinstance(values, Mapping):
        return {key: _copy(value) for key, value in values.items()}
    return values

"""Arguments of a command (`key=value`, and plain ones) to its settings, through OmegaConf."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import GenericAlias
from typing import Any, Optional, TypeVar

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Field, Settings, did_you_mean, fields_of, wrong
from reworld_agent.core.text import shown

Chosen = TypeVar("Chosen", bound=Settings)


def schema(settings: type[Settings]) -> type:
    """The dataclass that OmegaConf and Hydra take for a settings class: same names and defaults."""
    fields = []
    for field in fields_of(settings):
        # OmegaConf 2.3 knows no Literal and no tuple of any length
        kind: Any = GenericAlias(list, field.kind) if field.many else field.kind
        kind = Any if field.about.read else kind
        default = MISSING if field.required else field.default
        made: Any = dataclasses.field(default=default)
        if isinstance(default, tuple):
            made = dataclasses.field(default_factory=partial(list, default))
        fields.append((field.name, Optional[kind] if field.optional else kind, made))  # noqa: UP045
    return dataclasses.make_dataclass(settings.__name__, fields)


def read_arguments(settings: type[Chosen], arguments: Sequence[str], usage: str) -> Chosen:
    """The settings that a command's arguments say.

    Args:
        settings: the class.
        arguments: `key=value`, and values of positional settings in their order.
        usage: the hint of errors that have none of their own.

    Raises:
        UsageError: an argument is unknown, given twice, has no value or a wrong one, or a required
            one is missing.
    """
    fields = {field.name: field for field in fields_of(settings)}
    node = OmegaConf.structured(schema(settings))
    given = _by_name(list(fields.values()), arguments, usage)
    for name, texts in given.items():
        _set(node, fields[name], texts)
    missing = [name for name, field in fields.items() if field.required and name not in given]
    if missing:
        names = ", ".join(fields[name].named for name in missing)
        raise UsageError(f"{names} {'is' if len(missing) == 1 else 'are'} missing", usage)
    values = OmegaConf.to_container(node)
    assert isinstance(values, dict)
    return settings(**{name: values[name] for name in given})


def _by_name(fields: Sequence[Field], arguments: Sequence[str], usage: str) -> dict[str, list[str]]:
    """Texts of every setting that is given; an existing path with `=` in its name is positional."""
    current = {field.word: field for field in fields}
    for field in fields:
        current.update(dict.fromkeys(field.about.old_names, field))
    given: dict[str, list[str]] = {}
    plain: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        key, equals, text = argument.partition("=")
        known = current.get(key) or _collector(fields, key)
        if known is not None and known.about.collects and key != known.word:
            given.setdefault(known.name, []).append(argument)
            continue
        if known is None or not (equals or key.startswith("--")):
            if equals and not _is_there(argument):
                raise unknown_key(key, [field.word for field in fields], usage)
            plain.append(argument)
            continue
        texts = [text] if equals else _of_option(known, rest)
        if known.word != key:
            print(f"notice: {key} is now {known.word}={','.join(texts)}", file=sys.stderr)
        if known.name in given:
            raise UsageError(f"{known.word}= is given twice", "give it once")
        given[known.name] = texts
    _take_plain([field for field in fields if field.about.positional], plain, given, usage)
    return given


def _is_there(text: str) -> bool:
    """Whether a text is the path of something; not where it is too long to be one."""
    try:
        return Path(text).exists()
    except OSError:
        return False


def _collector(fields: Sequence[Field], key: str) -> Field | None:
    """The list that takes arguments of this name as its items."""
    found = [one for one in fields if one.about.collects and key.startswith(one.about.collects)]
    return found[0] if found else None


def unknown_key(key: str, known: Sequence[str], usage: str) -> UsageError:
    """The error of a key that a command does not know."""
    hint = did_you_mean(key.lstrip("-+~"), known, usage, "{}=")
    return UsageError(f"{shown(key)}= is unknown", hint)


def _of_option(field: Field, rest: list[str]) -> list[str]:
    """The values of an option of the earlier grammar, taken from what follows it."""
    if field.kind is bool and not field.many:
        return ["true"]
    taken: list[str] = []
    while rest and not rest[0].startswith("--") and (field.many or not taken):
        taken.append(rest.pop(0))
    return taken or [""]


def _take_plain(
    positional: list[Field], plain: Sequence[str], given: dict[str, list[str]], usage: str
) -> None:
    """Lay plain arguments on the positional settings, in order; raises UsageError."""
    free = [field for field in positional if field.name not in given]
    for argument in plain:
        if argument.startswith("-") or not free:
            hint = usage if "=" in argument or free else f"settings are key=value: {usage}"
            raise UsageError(f"cannot read {shown(argument)}", hint)
        given.setdefault(free[0].name, []).append(argument)
        if not free[0].many:
            free.pop(0)


def _set(node: DictConfig, field: Field, texts: list[str]) -> None:
    """Put what was given for one setting into the node, which converts it; raises UsageError."""
    if not all(texts):
        raise wrong(field, "")
    value: Any = None
    if texts != ["null"] or not (field.optional or field.about.read):
        items = _items(texts[0]) if field.many and len(texts) == 1 else texts
        listed = field.many and not field.about.read  # what reads it takes the text as it is
        value = [_unquoted(item) for item in items] if listed else _unquoted(texts[0])
    try:
        OmegaConf.update(node, field.name, value)
    except (OmegaConfBaseException, ValueError) as error:
        raise wrong(field, texts[0]) from error


def _items(text: str) -> list[str]:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return [item.strip() for item in inner.split(",") if item.strip()]


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text

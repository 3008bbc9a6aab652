"""Values from files as the types that the code declares: dataclasses, nested ones included.

What fits no type is refused with the field's name; nothing is bent but ints to floats and lists to
tuples.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin

from reworld_agent.core.settings import did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
_SHOWN = 60  # characters of a value in a message
_MISSING = dataclasses.MISSING
_PLAIN = (str, int, bool)


class Mistyped(ValueError):
    """A value does not fit its field: `message` says which, `hint` what it must be."""

    def __init__(self, message: str, hint: str) -> None:
        self.message, self.hint = message, hint
        super().__init__(f"{message}: {hint}")


def build_dataclass(kind: type[T], values: Any, where: str = "") -> T:
    """A dataclass from a mapping; every field that has no default must be there, and no other.

    Raises:
        Mistyped: names the field, below `where`.
    """
    owner = where or "it"
    if not isinstance(values, Mapping):
        raise Mistyped(f"{owner} = {as_shown(values)} is not a table", "give key: value")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(map(str, set(values) - set(fields)))
    if unknown:
        hint = did_you_mean(unknown[0], list(fields), f"known: {list(fields)}")
        raise Mistyped(f"{owner} has unknown fields: {as_shown(', '.join(unknown), '')}", hint)
    required = [n for n, f in fields.items() if f.default is f.default_factory is _MISSING]
    needed = [name for name in required if name not in values]
    if needed:
        raise Mistyped(f"{owner} lacks: {', '.join(needed)}", "add these fields")
    hints = _hints(kind)
    return kind(
        **{key: typed(hints[key], value, _below(where, key)) for key, value in values.items()}
    )


@lru_cache(maxsize=256)
def _hints(kind: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def typed(hint: Any, value: Any, where: str = "") -> Any:
    """A value as a type.

    Types are dataclasses, tuple[X, ...], list[X], dict[str, X], Mapping, Literal, X | None, Any
    and plain classes.

    Raises:
        Mistyped: it does not fit; names the field, below `where`.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return build_dataclass(hint, value, where)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return typed(next(one for one in inner if one is not type(None)), value, where)
    if origin is Literal:
        return _fitting(value in inner, value, where, f"one of {', '.join(map(str, inner))}")
    if origin in (tuple, list):
        _fitting(isinstance(value, list | tuple), value, where, "a list")
        if inner[0] in _PLAIN and set(map(type, value)) <= {inner[0]}:
            return origin(value)  # a million tokens at once
        return origin(typed(inner[0], item, f"{where}[{k}]") for k, item in enumerate(value))
    if hint is Mapping or origin is Mapping:  # whose items their owner checks
        return _mapping(Any, value, where)
    if origin is dict:
        return _mapping(inner[1], value, where)
    return _scalar(hint, value, where)


def _mapping(kind: Any, value: Any, where: str) -> dict[Any, Any]:
    _fitting(isinstance(value, Mapping), value, where, "a table")
    return {key: typed(kind, item, _below(where, str(key))) for key, item in value.items()}


def _scalar(hint: Any, value: Any, where: str) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is float:
        fits = number and abs(value) <= sys.float_info.max  # an int may be larger, and NaN is not
        return float(_fitting(fits, value, where, "a finite number"))
    fits = isinstance(value, hint) and not (hint is int and isinstance(value, bool))
    return _fitting(fits, value, where, f"of type {hint.__name__}")


def _fitting(fits: bool, value: Any, where: str, wanted: str) -> Any:
    if not fits:
        owner = where or "it"
        raise Mistyped(f"{owner} = {as_shown(value)}", f"{owner} must be {wanted}")
    return value


def _below(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def as_shown(value: Any, empty: str = "nothing") -> str:
    """A value for a message, cut short; never more than its beginning is written out."""
    if isinstance(value, Mapping | list | tuple):
        return f"a {'table' if isinstance(value, Mapping) else 'list'} of {len(value)}"
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    if isinstance(value, str) and empty == "":
        text = text[1:-1]
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."

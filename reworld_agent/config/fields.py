"""What every configuration class uses: checks, and dataclasses built from nested tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from reworld_agent.core.errors import UsageError
from reworld_agent.core.extending.registry import registry_of
from reworld_agent.core.records import typed
from reworld_agent.core.settings import did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def require(condition: bool, message: str, hint: str) -> None:
    """Raise UsageError with this message and hint unless the condition holds."""
    if not condition:
        raise UsageError(message, hint)


def choice(key: str, value: str, known: tuple[str, ...]) -> None:
    """Raise UsageError unless the value is one of the known ones."""
    hint = did_you_mean(value, known, f"use {key} = " + " | ".join(known), key + "={}")
    require(value in known, f"{key}={value} does not exist", hint)


SHARES = ("whitening",)  # options of built-in implementations that are a share


def implementation(
    kind: str, setting: str, name: str, options: Mapping[str, Any], own: tuple[str, ...] = ()
) -> None:
    """Raise UsageError unless a registry has the name, and the options are its own.

    Args:
        kind: of the registry, see `core.extending.registry`.
        setting: whose value the name is, such as `codec.kind`.
        name: of the implementation.
        options: settings of its own; one from outside checks them itself.
        own: options of this one, where it is built in: whole numbers of at least 1, but for SHARES,
            from 0 to 1.
    """
    registry = registry_of(kind)
    registry.require(name, setting)
    owner = setting.partition(".")[0]
    if not registry.is_builtin(name):
        return
    require(
        not options or bool(own),
        f"{owner}.options = {dict(options)} with {setting}={name}, which has no options",
        f"leave {owner}.options out: they are of implementations from outside the package",
    )
    for key, value in options.items():
        choice(f"{owner}.options", key, own)
        message, number = f"{owner}.options.{key} = {value}", not isinstance(value, bool)
        if key in SHARES:
            share = number and isinstance(value, int | float) and 0 <= value <= 1
            require(share, message, "it must be a number from 0 to 1")
            continue
        whole = number and isinstance(value, int) and value >= 1
        require(whole, message, "it must be an integer of at least 1")


def positive(owner: str, **values: float) -> None:
    """Raise UsageError for the first of these fields that is not above 0."""
    for key, value in values.items():
        require(value > 0, f"{owner}.{key} = {value}", f"{owner}.{key} must be positive")


def blocks_within(key: str, blocks: tuple[int, ...], depth: int) -> None:
    """Raise UsageError for a block that the model lacks, or that is named twice."""
    for block in blocks:
        require(
            1 <= block <= depth,
            f"{key} names block {block} of {depth}",
            f"blocks count from 1: use 1 to {depth}",
        )
    require(
        len(set(blocks)) == len(blocks), f"{key} = {blocks} names a block twice", "name each once"
    )


def merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A nested table with some of its values replaced."""
    result = dict(table)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = merged(old, value)
        result[key] = value
    return result


def listed(value: Any) -> Any:
    """Nested dictionaries with every tuple as a list, as JSON and YAML have them."""
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def build_dataclass(kind: type[T], values: Any, where: str) -> T:
    """A dataclass from a mapping, nested ones included; `where` names it in a UsageError."""
    try:
        return typed.build_dataclass(kind, values, where)
    except typed.Mistyped as error:
        raise UsageError(error.message, error.hint) from error

"""Fields of a model that are changed where it is named, such as `planner.steps=10`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

from reworld_agent.config.fields import require
from reworld_agent.config.model import ModelConfig
from reworld_agent.core.settings import did_you_mean


def field_names() -> list[str]:
    """What overrides can change, as dotted names: `planner.steps`; tables of a codec's own too."""
    return _field_names(ModelConfig, "")


def _field_names(kind: Any, prefix: str) -> list[str]:
    names: list[str] = []
    hints = get_type_hints(kind)
    for one in dataclasses.fields(kind):
        name, hint = prefix + one.name, hints[one.name]
        names += _field_names(hint, f"{name}.") if dataclasses.is_dataclass(hint) else [name]
    return names


def read_model_overrides(value: Any, word: str) -> Mapping[str, Any]:
    """Overrides of a model's fields as nested tables; the values are checked with the model.

    Args:
        value: nested tables, or None for none.
        word: what one writes before them.

    Raises:
        UsageError: it is no table, or names a field that a model does not have.
    """
    require(
        value is None or isinstance(value, Mapping),
        f"{word}={value} must be a table of fields",
        f"write {word}.planner.steps=10",
    )
    known = field_names()
    for name in _paths(value or {}, "", known):
        hint = did_you_mean(name, known, f"known: {', '.join(known)}", f"{word}.{{}}=")
        require(name in known, f"{word}.{name}= is unknown", hint)
    return dict(value or {})


def _paths(table: Mapping[str, Any], prefix: str, known: Sequence[str]) -> list[str]:
    """Dotted names of what is set; a table that is itself a field's value is one."""
    names: list[str] = []
    for key, value in table.items():
        name = f"{prefix}{key}"
        inner = isinstance(value, Mapping) and value and name not in known
        names += _paths(value, f"{name}.", known) if inner else [name]
    return names

"""From a name or a file to the configuration of a model."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from reworld_agent.config.fields import choice, merged, require
from reworld_agent.config.model import RECIPES, ModelConfig
from reworld_agent.core.errors import UsageError
from reworld_agent.core.records import read_yaml

CONFIG_NAMES = ("tiny", "small", "paper")
BASES = ("tiny", "paper")  # with training settings of their own; `small` is a tiny with changes
SUFFIXES = (".yaml", ".yml", ".json")
Table = dict[str, Any]


def load_model_config(
    name: str | Path, recipe: str = "paper", overrides: Mapping[str, Any] | None = None
) -> ModelConfig:
    """The shipped configuration `tiny`, `small` or `paper`, or that of a file.

    Args:
        name: one of those, or a YAML or JSON file with the fields of ModelConfig. A file with
            `base: tiny` (or `paper`) has only what differs from that one, and its `name` is by
            default that of the file; `recipes: {release: {...}}` has what a recipe changes, and
            `stages` how its training differs (see `stage_settings`).
        recipe: `paper` or `release`.
        overrides: fields to change, as nested tables: `{"planner": {"steps": 10}}`.

    Raises:
        UsageError: an unknown name, a file that cannot be read, a field that does not exist, or
            an impossible value.
    """
    choice("recipe", recipe, RECIPES)
    table = _under_recipe(*_table(name), recipe)
    return ModelConfig.from_dict(merged(table, overrides or {}))


def shipped_base(name: str | Path) -> str:
    """The shipped configuration whose training settings fit: itself, or the base of a file.

    A file without a base is taken to be of the paper's size.
    """
    return _base(name, _own(name)) or (str(name) if name in BASES else "paper")


def stage_settings(name: str | Path) -> dict[str, Table]:
    """What a model says under `stages`, by stage: how its training differs from its base's.

    UsageError where it is no table of tables.
    """
    found = _own(name).get("stages") or {}
    tables = isinstance(found, Mapping) and all(isinstance(t, Mapping) for t in found.values())
    require(tables, f"stages = {found!r}", 'give stages: {"1": {steps: 3000}}')
    return {str(stage): dict(table) for stage, table in found.items()}


def _table(name: str | Path) -> tuple[str | None, Table]:
    """The base that a configuration starts from, None for none, and its own fields."""
    table = _own(name)
    base = _base(name, table)
    for key in ("stages", "base"):
        table.pop(key, None)
    if base is not None:
        table.setdefault("name", Path(name).expanduser().stem)
    return base, table


def _base(name: str | Path, table: Table) -> str | None:
    """The shipped configuration that a table of settings names as its base."""
    base = table.get("base")
    if base is not None:
        choice(f"{name}: base", str(base), BASES)
    return base


def _own(name: str | Path) -> Table:
    """All that a shipped configuration or a file says."""
    if name in CONFIG_NAMES:
        file = resources.files("reworld_agent.config").joinpath("defaults", f"{name}.yaml")
        table: Table = yaml.safe_load(file.read_text(encoding="utf-8"))
        return table
    path = Path(name).expanduser()
    if path.suffix not in SUFFIXES:
        kinds = " or ".join(SUFFIXES)
        require(not path.exists(), f"model={name} is no file that ends with {kinds}", "name one")
        choice("model", str(name), (*CONFIG_NAMES, "FILE.yaml"))
    return _read(path)


def _read(path: Path) -> Table:
    try:
        table = read_yaml(path)
    except FileNotFoundError as error:
        raise UsageError(f"model={path}: no such file", "check the path of model=") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"model={path} cannot be read: {error}", "correct the file") from error
    fields = "give the fields of ModelConfig, or base: tiny and what differs"
    require(isinstance(table, dict), f"model={path} is not a table", fields)
    return dict(table)


def _under_recipe(base: str | None, table: Table, recipe: str) -> Table:
    """All fields: those of the base under the recipe, then the table's own under it."""
    start = {} if base is None else _under_recipe(None, _own(base), recipe)
    start.pop("recipe", None)
    own = dict(table)
    changes = own.pop("recipes", {}) or {}
    require(isinstance(changes, Mapping), f"recipes = {changes!r}", "give recipe: {field: value}")
    for known in changes:
        choice("recipes", str(known), RECIPES)
    named = own.setdefault("recipe", recipe)
    require(named == recipe, f"the model is of recipe={named}", f"use recipe={named}")
    return merged(merged(start, own), changes.get(recipe) or {})

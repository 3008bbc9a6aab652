"""Implementations by name: built in, registered, installed, or named by their path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reworld_agent.core.errors import ConfigError
from reworld_agent.core.extending.registry import REGISTRIES, Registry, load_object, registry_of

KEY = "shape.kind"


def registry() -> Registry[type]:
    """Two kinds of numbers, of the standard library."""
    return Registry("shape", {"fraction": "fractions:Fraction", "decimal": "decimal:Decimal"})


def test_what_is_built_in_is_imported_when_it_is_asked_for() -> None:
    shapes: Registry[type] = Registry("shape", {"lazy": "a_module_that_is_missing:Name"})
    assert shapes.names() == ("lazy",)
    shapes.require("lazy", KEY)
    with pytest.raises(ConfigError, match=r"shape.kind=lazy: there is no module a_module_that"):
        shapes.get("lazy", KEY)
    assert registry().get("fraction", KEY).__name__ == "Fraction"


def test_what_code_registers() -> None:
    shapes = registry()
    shapes.register("whole", int)
    shapes.register("whole", int)  # the same once more is no fault
    assert shapes.get("whole", KEY) is int
    assert shapes.names() == ("fraction", "decimal", "whole")
    for taken in ("whole", "fraction"):
        with pytest.raises(ConfigError, match=f"there is a shape {taken} already"):
            shapes.register(taken, float)
    with pytest.raises(ConfigError, match="a name has no colon"):
        shapes.register("a:b", float)


def test_an_unknown_name_ends_with_what_was_meant() -> None:
    shapes = registry()
    with pytest.raises(ConfigError, match=r"shape.kind=fracton does not exist\n.*fraction\?"):
        shapes.get("fracton", KEY)
    with pytest.raises(ConfigError, match=r"use shape.kind = fraction \| decimal \| package"):
        shapes.require("zzz", KEY)


def test_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outside_shape.py").write_text("class Outer:\n    class Inner: ...\n")
    (tmp_path / "broken_shape.py").write_text("raise RuntimeError('no luck')\n")
    (tmp_path / "needing_shape.py").write_text("import a_module_that_is_missing\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    shapes = registry()
    shapes.require("outside_shape:Outer", KEY)
    assert "outside_shape" not in sys.modules  # believed until it is used
    assert shapes.get("outside_shape:Outer.Inner", KEY).__name__ == "Inner"
    for path, message in {
        "outside_shape:Outr": r"outside_shape has no Outr\n.*Outer\?",
        "nowhere.at_all:Name": r"shape.kind=nowhere.at_all:Name: there is no module nowhere",
        "broken_shape:Name": r"broken_shape cannot be imported \(RuntimeError: no luck\)",
        "needing_shape:Name": r"needing_shape cannot be imported \(ModuleNotFoundError: .*missing",
    }.items():
        with pytest.raises(ConfigError, match=message):
            shapes.get(path, KEY)


def test_an_installed_package_registers_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pip writes for `[project.entry-points."reworld_agent.shape"]`."""
    about = tmp_path / "their_shapes-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-shapes\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[reworld_agent.shape]\ntheirs = installed_shape:One\n")
    (tmp_path / "installed_shape.py").write_text("class One: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    shapes = registry()
    assert shapes.names() == ("fraction", "decimal", "theirs")
    assert shapes.get("theirs", KEY).__name__ == "One"


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_registry_stands_where_the_table_says(kind: str) -> None:
    found = registry_of(kind)
    assert found.kind == kind
    for name in found.names():
        assert found.get(name, kind) is not None


def test_a_name_that_the_module_lacks() -> None:
    with pytest.raises(ConfigError, match="fractions has no Nothing"):
        load_object("fractions:Nothing", "here")

"""Packages that every command compiles anew are found."""

from __future__ import annotations

import compileall
import sys
from pathlib import Path

import pytest

from reworld_agent.core.findings import OK, WARN
from reworld_agent.doctor import start_up


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "large_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('the doctor has imported it')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(start_up, "_IMPORTED", ("large_package", "not_installed_package"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return folder


def test_packages_without_compiled_files_are_named_with_the_command(package: Path) -> None:
    found = start_up.check_start_up()
    assert found.status == WARN and "large_package: no compiled files" in found.what
    assert "PYTHONDONTWRITEBYTECODE is set" in found.what
    assert str(found.fix).endswith(f"-m compileall -q {package.parent}")


def test_compiled_files_are_enough(package: Path) -> None:
    compileall.compile_dir(package, quiet=1)
    assert start_up.check_start_up().status == OK


def test_what_can_be_written_is_compiled_once(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert start_up.check_start_up().status == OK
    monkeypatch.setattr(start_up.os, "access", lambda path, mode: False)
    found = start_up.check_start_up()
    assert found.status == WARN and f"{package} cannot be written" in found.what

"""Which NAVSIM is used: recognised by its content, never by its name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def host_of(path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Import compat in a fresh interpreter that finds packages in `path` first."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "REWORLD_HOST")}
    env |= {"PYTHONPATH": str(path), "PYTHONWARNINGS": "default", **environment}
    code = "from reworld_agent import compat; print(compat.HOST, compat.find_navsim().kind)"
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


def write_package(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / "navsim" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


def test_builtin_host_without_navsim(tmp_path: Path) -> None:
    result = host_of(tmp_path)
    assert result.stdout.split() == ["builtin", "absent"], result.stderr


def test_unrelated_package_is_named_and_not_used(tmp_path: Path) -> None:
    result = host_of(write_package(tmp_path, {"__init__.py": "ships = 3\n"}))
    assert result.stdout.split() == ["builtin", "unrelated"]
    assert str(tmp_path / "navsim" / "__init__.py") in result.stderr
    assert "pip uninstall navsim" in result.stderr


def test_broken_devkit_is_an_error_with_its_reason(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "agents/__init__.py": "",
        "agents/abstract_agent.py": "import a_module_that_is_missing\n",
    }
    result = host_of(write_package(tmp_path, files))
    assert result.returncode != 0
    assert "a_module_that_is_missing" in result.stderr
    assert "REWORLD_HOST=builtin" in result.stderr
    forced = host_of(tmp_path, REWORLD_HOST="builtin")
    assert forced.stdout.split() == ["builtin", "broken"]


@pytest.mark.parametrize(("wish", "message"), [("devkit", "absent"), ("ros", "unknown")])
def test_wish_that_cannot_be_met(tmp_path: Path, wish: str, message: str) -> None:
    result = host_of(tmp_path, REWORLD_HOST=wish)
    assert result.returncode != 0
    assert message in result.stderr

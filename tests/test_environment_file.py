"""environment.yml, constraints.txt, pyproject.toml and the Makefile name the same versions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from reworld_agent.core.extras import EXTRA_OF

tomllib = pytest.importorskip("tomllib", reason="tomllib is of Python 3.11")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def environment() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins() -> dict[str, Version]:
    """Name → the one version of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found: dict[str, Version] = {}
    for line in filter(None, (line.partition("#")[0].strip() for line in lines)):
        requirement = Requirement(line)
        (only,) = requirement.specifier
        assert only.operator == "==", line
        name = canonicalize_name(requirement.name)
        assert name not in found, line
        found[name] = Version(only.version)
    return found


def _requirements(project: dict[str, Any]) -> list[Requirement]:
    """Of the package and of all its extras, but not those that are its own extras."""
    table = project["project"]
    extras = table["optional-dependencies"].values()
    texts = [*table["dependencies"], *(text for extra in extras for text in extra)]
    found = [Requirement(text) for text in texts]
    return [item for item in found if item.name != table["name"]]


def _brought(project: dict[str, Any], extras: set[str]) -> list[Requirement]:
    """Requirements of the package with these extras, those that extras ask for among them."""
    table = project["project"]
    asked = [Requirement(text) for text in table["dependencies"]]
    for extra in extras:
        for item in map(Requirement, table["optional-dependencies"][extra]):
            own = item.name == table["name"]
            asked += _brought(project, item.extras) if own else [item]
    return asked


def _pip(environment: dict[str, Any]) -> list[str]:
    (own,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    return own


def _conda(environment: dict[str, Any]) -> dict[str, str]:
    """Name → version of what conda itself installs; "" where it may choose."""
    words = [item for item in environment["dependencies"] if isinstance(item, str)]
    parts = [re.fullmatch(r"([a-z0-9_-]+)(?:=([\d.]+))?", word) for word in words]
    assert all(parts), words
    return {match[1]: match[2] or "" for match in parts if match}


def test_one_python(environment: dict[str, Any], project: dict[str, Any]) -> None:
    python = _conda(environment)["python"]
    assert Version(python) in SpecifierSet(project["project"]["requires-python"])
    assert python == project["tool"]["mypy"]["python_version"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    tried = re.findall(r"\bpython(3\.\d+)\b", makefile)
    supported = SpecifierSet(project["project"]["requires-python"])
    around = [f"3.{minor}" for minor in range(8, 20)]
    assert tried == [version for version in around if Version(version) in supported]
    assert python == tried[0]


def test_conda_brings_pip_and_what_fetches_the_devkit(environment: dict[str, Any]) -> None:
    assert environment["channels"] == ["conda-forge"]
    assert {"pip", "git"} <= set(_conda(environment))
    devkit = (ROOT / "requirements-devkit.txt").read_text(encoding="utf-8")
    active = [line for line in devkit.splitlines() if line.startswith("--editable git+")]
    assert [line.rpartition("#egg=")[2] for line in active] == ["nuplan-devkit", "navsim"]


def test_pip_installs_this_package_under_the_constraints(environment: dict[str, Any]) -> None:
    options = [line.split() for line in _pip(environment) if line.startswith("-")]
    assert options == [["--constraint", "constraints.txt"], ["--editable", ".[figures,train]"]]


def test_what_is_named_for_the_devkit_agrees_with_the_pins(
    environment: dict[str, Any], project: dict[str, Any], pins: dict[str, Version]
) -> None:
    named = [Requirement(line) for line in _pip(environment) if not line.startswith("-")]
    names = [canonicalize_name(item.name) for item in named]
    assert names == sorted(set(names))
    for name, item in zip(names, named, strict=True):
        if name in pins:
            assert pins[name] in item.specifier, item
    own = {canonicalize_name(item.name) for item in _brought(project, {"figures", "train"})}
    assert not own & set(names)  # they come with the package itself


def test_every_optional_library_is_in_the_extra_that_is_named_for_it(
    project: dict[str, Any],
) -> None:
    called = {"cv2": "opencv-python-headless", "hydra": "hydra-core", "sklearn": "scikit-learn"}
    called |= {"PIL": "pillow", "rerun": "rerun-sdk"}
    called |= {"carla_driver_interface": "carla-driver-interface"}
    for library, extra in EXTRA_OF.items():
        names = {item.name for item in _brought(project, {extra})}
        assert called.get(library, library) in names, library
    assert not {item.name for item in _brought(project, set())} & {
        called.get(library, library) for library in EXTRA_OF
    }


def test_the_pins_are_versions_that_the_package_asks_for(
    project: dict[str, Any], pins: dict[str, Version]
) -> None:
    for requirement in _requirements(project):
        name = canonicalize_name(requirement.name)
        assert name in pins, requirement
        assert pins[name] in requirement.specifier, requirement
    for requirement in map(Requirement, project["build-system"]["requires"]):
        name = canonicalize_name(requirement.name)
        assert name not in pins or pins[name] in requirement.specifier

"""Arguments of a class, read from its source."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from reworld_agent.core.signatures import absent, argument_names


def test_names_are_those_of_the_class() -> None:
    pytest.importorskip("lightning")
    code = (
        "import sys; from reworld_agent.core.signatures import argument_names\n"
        "print(argument_names('lightning.pytorch.Trainer'))\n"
        "sys.exit('lightning' in sys.modules or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, "nothing heavy is imported"
    from lightning.pytorch import Trainer

    expected = tuple(inspect.signature(Trainer.__init__).parameters)[1:]
    assert done.stdout.strip() == str(expected)


def test_classes_of_any_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "somebodys"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "if TYPE_CHECKING:\n    from .inner.agents import Agent\n1 / 0\n"
    )
    (package / "inner" / "__init__.py").write_text("")
    (package / "inner" / "agents.py").write_text(
        "class Agent:\n    def __init__(self, rate, *, path=None): ...\n"
        "class Open:\n    def __init__(self, **any): ...\n"
        "class Child(Agent): ...\nclass Bare: ...\nclass Lost(torch.Module): ...\n"
        "@dataclass\nclass Config:\n    size: int\n    KIND: ClassVar[str] = ''\n"
        "@dataclasses.dataclass(frozen=True)\nclass More(Config):\n    depth: int = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert argument_names("somebodys.inner.agents.Agent") == ("rate", "path")
    assert argument_names("somebodys.Agent") == ("rate", "path")
    assert argument_names("somebodys.inner.agents.Bare") == ()
    assert argument_names("somebodys.inner.agents.Child") == ("rate", "path")
    assert argument_names("somebodys.inner.agents.More") == ("size", "depth")
    for name in ("inner.agents.Open", "inner.agents.Lost", "inner.agents.Nobody", "nowhere.X"):
        assert argument_names(f"somebodys.{name}") is None
    assert argument_names("nobodys.X") is None
    (package / "latin.py").write_bytes(b"# coding: latin-1\n# \xe9\nclass Old: ...\n")
    (package / "broken.py").write_text("class Agent(:\n")
    assert argument_names("somebodys.latin.Old") == ()
    assert argument_names("somebodys.broken.Agent") is None
    assert absent("somebodys.broken.Agent") == ("", ())


def test_classes_that_are_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs.py").write_text(
        "from somewhere import Other as Theirs\n"
        "try:\n    class Tried: ...\nexcept ImportError:\n    Tried = None\n"
        "class Agent: ...\nmade = Agent\n1 / 0\n"
    )
    (tmp_path / "open_one.py").write_text("from elsewhere import *\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("theirs.Agent", "theirs.Theirs", "theirs.Tried", "theirs.made", "open_one.Any"):
        assert absent(name) == ("", ())
    assert absent("theirs.Agnt") == ("theirs has no Agnt", ("theirs.Agent",))
    assert absent("nobodys.Agent") == ("there is no module nobodys", ())
    assert absent("Agent") == ("there is no module Agent", ())
    assert absent("math.sqrt") == ("", ())  # no source tells

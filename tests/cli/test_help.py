"""What commands teach, and how little they import to do so."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reworld_agent.cli import main as cli
from reworld_agent.cli import tree
from reworld_agent.cli.command import Command
from tests.cli.commands import NAMES

HEAVY = ("torch", "hydra", "pandas", "numba", "lightning", "diffusers", "cv2", "matplotlib")
_REFUSING = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ImportError(f"{{name}} is imported by a help")

sys.meta_path.insert(0, Refuse())
from reworld_agent.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name} " in text and tree.load(name).summary in text for name in NAMES)
    assert all(f"\n  {code} " in text for code in (0, 1, 2, 3, 130, 143)) and "NO_COLOR" in text
    assert cli.main([]) == 2


@pytest.mark.parametrize("name", NAMES)
def test_each_command_teaches(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"reworld {name}")
    assert "\nexample: " in text and "\nexit codes: 0 " in text
    assert max(map(len, text.splitlines())) <= 200
    settings = [line for line in text.splitlines() if line.startswith("  ")]
    assert all(len(line) <= 100 for line in settings)


@pytest.mark.parametrize("group", ["video", "pool", "benchmark"])
def test_groups_list_their_commands(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([group, "--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"reworld {group} {name} " in text for name in tree.members(group))
    assert cli.main([group]) == 2
    assert capsys.readouterr().err.count("\n") == 2


@pytest.mark.parametrize("words", ["", *NAMES, "video", "benchmark"])
def test_no_help_imports_anything_heavy(words: str) -> None:
    """With an import hook that refuses it, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _REFUSING, *words.split(), "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("reworld") and not done.stderr


@pytest.mark.parametrize("words", ["", "video generate", "score", "convert"])
def test_help_imports_little(words: str) -> None:
    """Modules are counted: they are what its time goes by, and the same on a busy machine."""
    code = (
        "import sys\nfrom reworld_agent.cli.main import main\n"
        "main([*sys.argv[1:], '--help'])\nsys.stderr.write(str(len(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words.split()], capture_output=True, text=True, check=True
    )
    assert int(done.stderr) <= 750, words  # half a second of a usual core


@pytest.mark.parametrize("name", NAMES)
def test_examples_name_settings_that_there_are(name: str) -> None:
    command = tree.load(name)
    assert isinstance(command, Command) and command.examples
    words = {field.word for field in command.fields()} | set(command.groups())
    for line in command.examples:
        start = line.find(f"reworld {name} ")
        if start < 0:
            continue  # another command's, which comes first
        arguments = line[start:].split()[1 + len(name.split()) :]
        keys = [word.partition("=")[0].strip("'\"") for word in arguments if "=" in word]
        open_tables = ("trainer.params.", "agent.")
        strange = [key for key in keys if key not in words and not key.startswith(open_tables)]
        assert not strange, line


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip()

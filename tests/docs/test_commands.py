"""Commands in the documentation exist, and know the arguments that it gives them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import pytest

from reworld_agent.cli import main as cli
from reworld_agent.cli import reference, tree
from tests.docs.pages import DOCS, ROOT, Line, command_lines, pages

LINES = [line for page in pages() for line in command_lines(page)]
GROUPS = ("video", "pool")  # whose commands have two words
_KEY = re.compile(r"\+{0,2}([A-Za-z_][\w.]*)=")


def of(program: str) -> list[Line]:
    return sorted({line for line in LINES if line.program == program}, key=str)


def keys(arguments: tuple[str, ...]) -> Iterator[str]:
    """Names of the settings of a command line; `+name=` adds one that need not exist."""
    for argument in arguments:
        found = _KEY.match(argument)
        if found and not argument.startswith("+"):
            yield found[1]


@cache
def help_of(*command: str) -> str:
    """What `--help` of a script prints."""
    done = subprocess.run(
        [sys.executable, *command, "--help"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def hydra_keys() -> frozenset[str]:
    """Dotted names of every setting of the commands that run under Hydra."""
    hydra = pytest.importorskip("hydra")
    omegaconf = pytest.importorskip("omegaconf")
    found: set[str] = {"agent", "train_test_split"}
    configs = ("reworld_run_pdm_score", "reworld_run_training", "reworld_mine_hard_negatives")
    with hydra.initialize_config_module("navsim_configs", version_base="1.3"):
        for name in configs:
            composed = hydra.compose(name)
            found |= set(_dotted(omegaconf.OmegaConf.to_container(composed, resolve=False)))
    return frozenset(found)


def _dotted(node: object, prefix: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield f"{prefix}{name}"
            yield from _dotted(value, f"{prefix}{name}.")


def check(line: Line, names: list[str], text: str) -> None:
    unknown = [name for name in names if not re.search(rf"(?<![\w.]){re.escape(name)}=", text)]
    if unknown:  # a setting of an agent, a stage or a split, which the help does not list
        unknown = [name for name in unknown if name not in hydra_keys()]
    assert not unknown, f"{line}\n--help does not know {unknown}"


def test_pages_have_commands() -> None:
    assert len(of("reworld")) > 30 and len(of("python")) > 15 and len(of("make")) > 3


@pytest.mark.parametrize("line", of("reworld"), ids=str)
def test_reworld_commands(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    words = line.arguments
    if not words or words[0] in ("--help", "--version", "COMMAND"):
        return
    names = [word for word in words[:2] if re.fullmatch("[a-z]+(-[a-z]+)*", word)]
    nested = words[0] == "video" or tree.members(words[0])
    command = names[: 2 if nested else 1]
    assert cli.main([*command, "--help"]) == 0, f"{line}: no such command"
    text = capsys.readouterr().out
    check(line, list(keys(words)), text)


@pytest.mark.parametrize("line", of("python"), ids=str)
def test_scripts(line: Line) -> None:
    script = line.arguments[0]
    if script.startswith(("$NAVSIM_DEVKIT_ROOT/", "-")):
        return
    assert (ROOT / script).is_file(), f"{line}: there is no {script}"
    names = list(keys(line.arguments))
    if names:
        check(line, names, help_of(script))


@pytest.mark.parametrize("line", of("make"), ids=str)
def test_targets(line: Line) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(line.arguments) - set(keys(line.arguments)) <= targets, str(line)


def test_the_guide_has_every_exit_code() -> None:
    text = (DOCS / "guides" / "evaluate.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| (\d+) \|", text.split("## Exit codes")[1], re.MULTILINE)
    assert told == re.findall(r"^  (\d+) ", cli.EXIT_CODES, re.MULTILINE)


def test_the_page_of_commands_has_them_all() -> None:
    text = reference.page()
    told = re.findall(r"^### reworld (.+)$", text, re.MULTILINE)
    assert told == tree.names() and text.count("exit codes: ") >= len(told)

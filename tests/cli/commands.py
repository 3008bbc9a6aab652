"""What the tests of the commands share: names, what a help says, what a shell offers."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from reworld_agent.cli import tree
from reworld_agent.cli.completion import script

NAMES = tree.names()
BASH = shutil.which("bash")
_SETTING = re.compile(r"^  ([a-z][\w.]*)=(\S+)")
_LIMITS = re.compile(r"\[([^\[\]]*(?:\[[^\]]*\][^\[\]]*)?)\]$")


def entries(help_text: str) -> Iterator[tuple[str, str, str]]:
    """(key, what stands for its value, text) of every setting of a help."""
    found: list[tuple[str, str, str]] = []
    for line in help_text.splitlines():
        start = _SETTING.match(line)
        if start:
            found.append((start[1], start[2], line[start.end() :].strip()))
        elif found and line.startswith(" " * 10) and line.strip():
            key, value, text = found[-1]
            found[-1] = (key, value, f"{text} {line.strip()}".strip())
        elif line.strip() and not line.startswith("  "):
            yield from found
            found = []
    yield from found


def limits(text: str) -> list[str]:
    """`default 3, at least 1` at the end of a setting's text, taken apart."""
    found = _LIMITS.search(text)
    return [part.strip() for part in found[1].split(", ")] if found else []


@cache
def _completion() -> str:
    return script("bash")


def offered(words: list[str], folder: Path) -> set[str]:
    """What bash offers for a line, as readline hands it over: `key=value` in three words.

    The function of the script runs in a real bash; only `compopt`, which needs a terminal, does
    nothing.
    """
    code = "\n".join(
        [
            "compopt() { :; }",
            _completion(),
            f"COMP_WORDS=({shlex.join(words)})",
            f"COMP_CWORD={len(words) - 1}",
            "_reworld",
            "printf '%s\\n' \"${COMPREPLY[@]}\"",
        ]
    )
    assert BASH is not None
    done = subprocess.run(
        [BASH, "--norc", "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert not done.stderr, done.stderr
    return set(filter(None, done.stdout.splitlines()))

"""Pages of the documentation, and the command lines that stand in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
RENDERED = DOCS / "notebooks"  # written by `make notebooks`
COMMANDS = DOCS / "commands.md"  # written by `make docs`
EVIDENCE = DOCS / "evidence.md"  # written by `reworld evidence table`
PROGRAMS = ("reworld", "python", "make")
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TITLED = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")
_COMMENT = re.compile(r"(^|\s)#.*$")
_VARIABLE = re.compile(r"\w+=\S*")


@dataclass(frozen=True)
class Line:
    """One command line of a page: the program, and its arguments as the shell splits them."""

    page: str
    program: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {self.program} {' '.join(self.arguments)}"


def pages() -> list[Path]:
    """Every page that people write: README files, guides, model cards."""
    made = (COMMANDS, EVIDENCE)
    own = [page for page in DOCS.rglob("*.md") if RENDERED not in page.parents and page not in made]
    cards = (ROOT / "reworld_agent" / "weights").glob("*/README.md")
    others = ("README.md", "CONTRIBUTING.md", "eval/README.md", "train/README.md")
    return sorted([*own, *cards, *(ROOT / name for name in others)])


def prose(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def files_of(page: Path, folder: Path) -> list[Path]:
    """Write a page's titled blocks below a folder, each under its title."""
    written = []
    for title, body in _TITLED.findall(page.read_text(encoding="utf-8")):
        path = folder / title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, encoding="utf-8")
        written.append(path)
    return written


def command_lines(page: Path) -> Iterator[Line]:
    """Every `reworld`, `python` and `make` command of a page, in blocks and in running text."""
    text = page.read_text(encoding="utf-8")
    blocks = [body for language, body in _FENCE.findall(text) if language in ("bash", "sh")]
    inline = [" ".join(code.split()) for code in _INLINE.findall(_FENCE.sub("", text))]
    for code in [*blocks, *inline]:
        for line in code.replace("\\\n", " ").splitlines():
            yield from _commands(str(page.relative_to(ROOT)), line)


def _commands(page: str, line: str) -> Iterator[Line]:
    """Commands of one line, also those after `&&` and inside `$(...)`."""
    for inner in re.findall(r"\$\(([^)]*)\)", line):
        yield from _commands(page, inner)
    lexer = shlex.shlex(_COMMENT.sub("", line), posix=True, punctuation_chars="&;|")
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:  # running text with an apostrophe
        return
    command: list[str] = []
    for token in [*tokens, ";"]:
        if set(token) <= set("&;|"):
            if command and command[0] in PROGRAMS:
                yield Line(page, command[0], tuple(command[1:]))
            command = []
        elif command or not _VARIABLE.fullmatch(token):
            command.append(token)

"""The files and the commands of a page of docs/extending, in a folder outside the package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reworld_agent.cli.main import main
from reworld_agent.core.extending.plugins import load_plugins
from tests.docs.pages import DOCS, Line, command_lines, files_of

SCRIPTS = {
    "run_training.py": "train",
    "run_pdm_score.py": "score",
    "train/fit_statistics.py": "fit-statistics",
}


class Outside:
    """A folder with the files of a page, which is the working directory and on the Python path.

    Attributes:
        folder: of the files.
        lines: the commands of the page, in order.
    """

    def __init__(self, page: Path, folder: Path) -> None:
        self.folder = folder
        self.files = files_of(page, folder)
        self.lines: list[Line] = list(command_lines(page))

    def run(self, line: Line, *more: str) -> int:
        """The exit code of a command of the page, with more settings behind its own."""
        first, *arguments = line.arguments
        return main([SCRIPTS.get(first, first), *arguments, *more])


@contextmanager
def outside(name: str, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Outside]:
    """The page `docs/extending/<name>.md`; its modules are forgotten at the end."""
    page = Outside(DOCS / "extending" / f"{name}.md", folder)
    patch.chdir(folder)
    patch.syspath_prepend(str(folder))
    load_plugins.cache_clear()
    yield page
    load_plugins.cache_clear()
    for file in page.files:
        sys.modules.pop(file.stem, None)

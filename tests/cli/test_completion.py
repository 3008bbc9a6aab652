"""Completion in an interactive bash: what a TAB makes of a line, also with spaces in paths."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reworld_agent.cli import main as cli
from reworld_agent.cli.completion import script
from tests.cli.commands import BASH, offered

_PROMPT = "READY> "


class Terminal:
    """A bash on a pseudo-terminal, in a folder, with the script sourced."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.pid, self.end = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.environ.update(PS1=_PROMPT, TERM="dumb", HISTFILE="/dev/null")
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        self.until(_PROMPT)
        for line in ("bind 'set bell-style none'", f"source '{source}'"):
            self.write(f"{line}\n")
            self.until(_PROMPT)

    def write(self, text: str) -> None:
        """Type."""
        os.write(self.end, text.encode())

    def until(self, text: str, seconds: float = 10.0) -> str:
        """What is printed up to a text, or for as long as asked."""
        seen, stop = "", time.monotonic() + seconds
        while text not in seen and time.monotonic() < stop:
            if select.select([self.end], [], [], 0.05)[0]:
                seen += os.read(self.end, 1 << 16).decode(errors="replace")
        return seen

    def tab(self, line: str) -> str:
        """The line after a TAB; it is run as the arguments of `echo`, which is then taken off."""
        self.write(f"{line}\t\x01printf '<%s>' \x05; echo E''ND\n")
        seen = self.until("END\r\n")
        printed = re.findall(r"(?:<[^<>]*>)+(?=END)", seen)
        return printed[-1] if printed else seen

    def close(self) -> None:
        """End it."""
        self.write("\x03exit\n")
        os.close(self.end)
        os.waitpid(self.pid, 0)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """In a folder whose name has spaces, with files whose names have."""
    if BASH is None:
        pytest.skip("bash is not installed")
    folder = tmp_path / "my dir"
    (folder / "sub folder").mkdir(parents=True)
    for name in ("a file.csv", "b.csv"):
        (folder / name).touch()
    source = tmp_path / "completion"
    source.write_text(script("bash"), encoding="utf-8")
    bash = Terminal(folder, source)
    yield bash
    bash.close()


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("reworld compar", ["reworld", "compare"]),
        ("reworld video gen", ["reworld", "video", "generate"]),
        ("reworld compare proto", ["reworld", "compare", "protocol="]),
        ("reworld compare protocol=e", ["reworld", "compare", "protocol=epdms_v2"]),
        ("reworld video generate dev", ["reworld", "video", "generate", "device="]),
        ("reworld video generate device=cu", ["reworld", "video", "generate", "device=cuda"]),
        ("reworld compare output=a", ["reworld", "compare", "output=a file.csv"]),
        ('reworld compare output="a', ["reworld", "compare", "output=a file.csv"]),
        (r"reworld compare output=a\ f", ["reworld", "compare", "output=a file.csv"]),
        ("reworld explain data_root=s", ["reworld", "explain", "data_root=sub folder/"]),
        ("reworld compare a", ["reworld", "compare", "a file.csv"]),
        ('reworld compare "a', ["reworld", "compare", "a file.csv"]),
        ("reworld doctor we", ["reworld", "doctor", "weights"]),
        ("reworld train sta", ["reworld", "train", "stage="]),
        ("reworld score agent=ego", ["reworld", "score", "agent=ego_status_mlp"]),
        (
            "reworld train train_test_split=town_v",
            ["reworld", "train", "train_test_split=town_val"],
        ),
    ],
)
def test_a_tab_completes(terminal: Terminal, line: str, made: list[str]) -> None:
    assert terminal.tab(line) == "".join(f"<{word}>" for word in made)


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_what_is_given_is_not_offered_again(tmp_path: Path) -> None:
    line = ["reworld", "compare", "protocol", "=", "pdms_v1", ""]
    found = offered(line, tmp_path)
    assert "resamples=" in found and "protocol=" not in found


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_a_shell_that_does_not_break_words_at_the_equals_sign(tmp_path: Path) -> None:
    found = offered(["reworld", "compare", "protocol=e"], tmp_path)
    assert found == {"protocol=epdms_v2"}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_scripts_parse(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    assert capsys.readouterr().out == script(shell) + "\n"
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n"], input=script(shell), text=True, check=True)

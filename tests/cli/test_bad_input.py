"""What cannot be: two lines, exit code 2, nothing written, and soon."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reworld_agent.cli import main as cli
from reworld_agent.cli import tree
from reworld_agent.cli.command import Command
from reworld_agent.cli.hydra_command import HydraCommand
from reworld_agent.core.errors import UsageError
from reworld_agent.core.setting_paths import require, why_not_writable
from tests.cli.commands import NAMES

PLAIN = [name for name in NAMES if not isinstance(tree.load(name), HydraCommand)]


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said where a command is refused, in two lines."""
    assert cli.main(words) == 2
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if not line.startswith("notice: ")]
    assert not said.out and len(lines) == 2, said
    assert lines[0].startswith("error: ") and lines[1].startswith("  next: ")
    return " ".join(lines)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fly"], "'fly' is not a command"),
        (["scor"], "did you mean score?"),
        (["vidoe", "index"], "did you mean video?"),
        (["video"], "reworld video needs a second word"),
        (["video", "genrate"], "did you mean reworld video generate?"),
        (["benchmark", "modle"], "did you mean reworld benchmark model?"),
        (["--agent=human"], "is not a command"),
        (["explain"], "RUN is missing"),
        (["doctor", "dta"], "SUBJECT dta must be one of"),
        (["explain", 300 * "a"], "cannot be the path of a file"),
        (["compare", 900 * "abcd/", "b"], "cannot be the path of a file"),
        (["evidence", "table", f"output={300 * 'a'}"], "cannot be the path of a file"),
        (["evidence", "table", "output=a\0b"], "cannot be the path of a file"),
        (["evidence", "table", f"resamples=1{400 * '0'}"], "resamples=1"),
        (["video", "score", f"q{400 * 'q'}=1"], "is unknown"),
    ],
)
def test_commands_and_plain_arguments_that_are_none(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(words, capsys)


@pytest.mark.parametrize("name", PLAIN)
def test_arguments_that_are_none(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    field = next(f for f in tree.load(name).fields() if not f.about.collects)
    key, misspelt = field.word, field.word[:-1] + "x"
    command = name.split()
    for words, message in (
        ([f"{misspelt}=1"], f"did you mean {key}=?" if len(key) > 2 else f"{misspelt}= is unknown"),
        (["qqq=1"], "qqq= is unknown"),
        (["--qqq"], "--qqq"),
        ([f"--{key}=1"], f"did you mean {key}=?"),
        ([f"+{key}=1"], f"did you mean {key}=?"),
        ([f"{key}="], "has no value"),
        ([f"{key}=a", f"{key}=a"], "is given twice"),
        (["one", "two", "three", "four"], ""),
    ):
        assert message in refused([*command, *words], capsys), words
    assert not list(tmp_path.iterdir())


def test_a_word_for_both_lines_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without arguments: a command that needs some says which, in two lines."""
    for name in PLAIN:
        command = tree.load(name)
        needed = [field.named for field in command.fields() if field.required]
        if needed:
            said = refused(name.split(), capsys)
            assert all(word in said for word in needed), said


@pytest.mark.parametrize(
    "words",
    [
        "compare a.csv b.csv resamples=0",
        "explain nowhere",
        "video generate clip=nowhere.mp4",
        "video score real=a generated=b output=c",
        "synth data_split=town_tset",
        "convert from=sora source=. output_dir=x",
        "score-trajectories trajectories=nowhere",
        "submit nowhere version=1.1",
        "benchmark methods sweep=gamma",
        "doctor dta",
    ],
)
def test_refused_soon(words: str, tmp_path: Path) -> None:
    """In a process of its own: at most a second of processor time, and no heavy library."""
    code = (
        "import resource, sys\n"
        "from reworld_agent.cli.main import main\n"
        "assert main(sys.argv[1:]) == 2\n"
        "heavy = {'torch', 'hydra', 'pandas', 'numba', 'lightning'} & set(sys.modules)\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "assert not heavy and used.ru_utime + used.ru_stime < 1.0, (heavy, used)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words.split()], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 2 and not list(tmp_path.iterdir())


def test_writing_is_tried_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert why_not_writable(tmp_path / "a" / "b") == ""
    assert "is not a folder" in why_not_writable(tmp_path / "file" / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
    assert "/proc" in why_not_writable(Path("/proc/nowhere"))


def test_an_output_may_not_be_an_input_by_another_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A link to an input, a path with dots, and a twin of another ending."""
    table = tmp_path / "a.csv"
    table.write_text("token,score\n")
    (tmp_path / "link.csv").symlink_to(table)
    (tmp_path / "sub").mkdir()
    for output in ("link.csv", "sub/../a.csv", "a", "a.parquet"):
        words = ["compare", str(table), str(table), f"output={tmp_path / output}"]
        assert "would overwrite the input" in refused(words, capsys)
    assert table.read_text() == "token,score\n"


def test_settings_in_python_are_refused_alike(tmp_path: Path) -> None:
    command = tree.load("compare")
    assert isinstance(command, Command)
    settings: Any = command.settings
    with pytest.raises(UsageError, match=r"a=.*nowhere: no such file or folder"):
        settings(a=tmp_path / "nowhere", b=tmp_path)
    with pytest.raises(UsageError, match=r"a=.* is a folder, not a file"):
        require("a", tmp_path, "file")
    with pytest.raises(UsageError, match="resamples=0 must be an integer of at least 1"):
        settings(a=tmp_path, b=tmp_path, resamples=0)

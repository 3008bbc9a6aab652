"""How commands end: exit codes, errors in two lines, signals, pipes, what the library logs."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reworld_agent.cli import main as cli
from reworld_agent.cli.command import Command, Terminated, exit_of
from reworld_agent.cli.hydra_command import HydraCommand
from reworld_agent.core.errors import DataError, UsageError

ROOT = Path(__file__).resolve().parents[2]
KEPT = "finished scenes are kept; the same command with its output_dir= goes on"


@pytest.mark.parametrize(
    ("raised", "code", "lines"),
    [
        (DataError("a is missing", "get it"), 1, ["error: a is missing", "  next: get it"]),
        (UsageError("x= is unknown", "--help"), 2, ["error: x= is unknown", "  next: --help"]),
        (DataError("caf\udce9 is missing"), 1, ["error: caf? is missing"]),
        (KeyboardInterrupt(), 130, ["", f"interrupted: {KEPT}"]),
        (Terminated(), 143, ["", f"terminated: {KEPT}"]),
    ],
)
def test_how_a_command_ends(
    raised: BaseException,
    code: int,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(self: object, words: list[str]) -> int:
        raise raised

    monkeypatch.setattr(HydraCommand, "_run", fail)
    assert cli.main(["score", "agent=human"]) == code
    assert capsys.readouterr().err.splitlines() == lines


def test_a_library_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: object, words: list[str]) -> int:
        raise ModuleNotFoundError("No module named 'av'", name="av")

    monkeypatch.setattr(Command, "_run", fail)
    assert cli.main(["video", "index"]) == 1
    assert "pip install 'reworld-agent[video]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
@pytest.mark.parametrize("door", [("-m", "reworld_agent.cli.main", "score"), ("run_pdm_score.py",)])
def test_a_signal_is_one_line(
    tmp_path: Path, door: tuple[str, ...], number: signal.Signals, code: int, said: str
) -> None:
    """A real one, once the run has made its folder."""
    output = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, *door, "agent=human", f"output_dir={output}"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # a shell lets what it runs in the background ignore it, and all that is started there
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not (output / "code" / "hydra" / "config.yaml").is_file():
        time.sleep(0.02)
    process.send_signal(number)
    _, error = process.communicate()
    # where it meets Python inside of exec(), Python ends itself by the signal: 130 for a shell too
    assert process.returncode in (code, -number)
    assert f"{said}: {KEPT}" in error and "Traceback" not in error


class _Finalised:
    """Is sent SIGTERM while it is finalised, where Python lets no exception out."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.001)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_termination_that_is_lost_comes_again(capsys: pytest.CaptureFixture[str]) -> None:
    """In a finaliser, and where all that is raised is taken."""
    cleaned = []

    def work() -> int:
        _Finalised()  # and gone
        try:
            time.sleep(30)
        except:  # noqa: E722 - as code of others does
            cleaned.append("taken")
        try:
            time.sleep(30)
        finally:
            time.sleep(0.5)  # a cleaning up that takes its time is not interrupted
            cleaned.append("up")
        return 0

    assert exit_of(work, "nothing") == 143
    assert cleaned == ["taken", "up"]
    assert "terminated: nothing" in capsys.readouterr().err


def test_a_terminated_command_says_what_is_kept(tmp_path: Path) -> None:
    """Of a command that reads its own arguments, in the middle of its work."""
    process = subprocess.Popen(
        [sys.executable, "-m", "reworld_agent.cli.main", "synth", "data_split=town_train"],
        env={**os.environ, "REWORLD_HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not list(tmp_path.rglob("*.gpkg")):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate()
    assert process.returncode == 143, error
    assert "terminated: a split that was not finished is made anew" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("words", ["completion bash", "--help", "compare --help"])
def test_a_closed_pipe_is_no_error(words: str) -> None:
    """Neither where more is said than a buffer holds, nor where the end of the process says it."""
    line = f"set -o pipefail; {sys.executable} -m reworld_agent.cli.main {words} | true"
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    done = subprocess.run(["bash", "-c", line], env=buffered, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_error_in_two_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Behind stdout, and behind a file."""
    line = f"{sys.executable} -m reworld_agent.cli.main compare --help > /dev/full"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 2
    said = "error: a file, or what is printed: No space left on device\n  next: free some space"
    assert said in done.stderr

    def write(self: object, words: list[str]) -> int:
        with Path("/dev/full").open("w") as file:
            file.write("x")
        return 0

    monkeypatch.setattr(Command, "_run", write)
    assert cli.main(["synth", "data_split=town_test"]) == 1
    assert "No space left on device" in capsys.readouterr().err


def test_what_the_library_logs_is_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("reworld_agent.somewhere")

    def work(self: object, words: list[str]) -> int:
        logger.info("a note")
        logger.warning("look: %s", "here")
        return 0

    monkeypatch.setattr(Command, "_run", work)
    assert cli.main(["synth", "data_split=town_test"]) == 0
    said = capsys.readouterr()
    assert said.err.splitlines() == ["a note", "WARNING: look: here"] and not said.out
    logger.warning("after it")
    assert "after it" not in capsys.readouterr().err


def test_score_of_a_file_goes_to_the_scorer_of_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", "trajectories=absent.parquet"]) == 2
    assert "data_split=, output= are missing" in capsys.readouterr().err


def test_scoring_of_files_needs_no_torch() -> None:
    code = (
        "import sys; from reworld_agent.cli import main as cli\n"
        "from reworld_agent import evaluation\nevaluation.score_file\n"
        "cli.main(['score', 'trajectories=x', 'help'])\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0

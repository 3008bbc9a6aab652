"""`reworld`: help, exit codes, errors in two lines, interruption, completion, lazy imports."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reworld_agent.cli import main as cli
from reworld_agent.cli.completion import script
from reworld_agent.cli.hydra_command import HydraCommand
from reworld_agent.cli.old_commands import COMMANDS
from reworld_agent.core.arguments import Words, run_command
from reworld_agent.core.errors import DataError, UsageError


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command.name in text and command.summary in text for command in COMMANDS)
    assert all(f"\n  {code} " in text for code in (0, 1, 2, 3, 130)) and "NO_COLOR" in text
    assert cli.main([]) == 2


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_teaches(command, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    assert cli.main([command.name, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"reworld {command.name}" in text.splitlines()[0]
    assert "example" in text and "exit codes: 0 " in text


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fly"]) == 2
    error = capsys.readouterr().err.splitlines()
    assert error[0] == "error: 'fly' is not a command" and "reworld --help" in error[1]


KEPT = "interrupted: finished scenes are kept; the same command with its output_dir= goes on"


@pytest.mark.parametrize(
    ("raised", "code", "lines"),
    [
        (DataError("a is missing", "get it"), 1, ["error: a is missing", "  next: get it"]),
        (UsageError("x= is unknown", "--help"), 2, ["error: x= is unknown", "  next: --help"]),
        (DataError("caf\udce9 is missing"), 1, ["error: caf? is missing"]),
        (KeyboardInterrupt(), 130, ["", KEPT]),
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


def test_score_of_a_file_goes_to_the_scorer_of_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", "trajectories=absent.parquet"]) == 2
    assert "data_root=, maps_root=" in capsys.readouterr().err


def test_help_is_fast_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from reworld_agent.cli import main as cli\n"
        "cli.main(['--help']); cli.main(['score', '--help'])\n"
        "heavy = {'torch', 'numpy', 'hydra', 'pandas', 'numba', 'rich'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_scoring_needs_no_torch() -> None:
    code = (
        "import sys; from reworld_agent.cli import main as cli\n"
        "cli.main(['score', 'trajectories=x', 'help'])\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.mark.parametrize("door", [("-m", "reworld_agent.cli.main", "score"), ("run_pdm_score.py",)])
def test_an_interruption_is_one_line_and_130(tmp_path: Path, door: tuple[str, ...]) -> None:
    """A real SIGINT, once the run has made its folder."""
    output = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, *door, "agent=human", f"output_dir={output}"],
        cwd=Path(__file__).resolve().parents[1],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # a shell lets what it runs in the background ignore it, and all that is started there
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not (output / "code" / "hydra" / "config.yaml").is_file():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    # where it meets Python inside of exec(), Python ends itself by the signal: 130 for a shell too
    assert process.returncode in (130, -signal.SIGINT)
    assert "interrupted: finished scenes are kept" in error and "Traceback" not in error


def test_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            f"set -o pipefail; {sys.executable} -m reworld_agent.cli.main completion bash | true",
        ],
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("reworld comp", {"compare", "completion"}),
        ("reworld compare res", {"resamples="}),
        ("reworld compare --h", {"--help"}),
        ("reworld completion b", {"bash"}),
        ("reworld compare output = na", {"named.pkl"}),
        ("reworld compare protocol = e", {"epdms_v2"}),
        ("reworld explain ", {"token=", "metric=", "named.pkl"}),
    ],
)
def test_bash_completes(tmp_path: Path, line: str, found: set[str]) -> None:
    (tmp_path / "completion").write_text(script("bash"), encoding="utf-8")
    (tmp_path / "named.pkl").write_text("")
    code = (
        'compopt() { :; }; source completion; COMP_WORDS=($1); [[ "$1" == *" " ]] && '
        'COMP_WORDS+=(""); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); _reworld; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", code, "bash", line], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert found <= set(done.stdout.split()) and not done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_scripts_parse(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n"], input=script(shell), text=True, check=True)


def test_words_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Words] = []

    def body(words: Words) -> int:
        seen.append(words)
        return words.number("n", 4)

    text = "tool FILE [n=N]\n\nexample: tool a n=3"
    assert run_command(["a", "n=3"], text, ("n",), body) == 3
    assert seen[0].plain == ("a",) and run_command(["--help"], text, ("n",), body) == 0
    assert run_command([], text, ("n",), body) == 2
    assert run_command(["n=x"], text, ("n",), body) == 2
    assert run_command(["m=1"], text, ("n",), body) == 2
    assert "next: tool FILE [n=N]" in capsys.readouterr().err

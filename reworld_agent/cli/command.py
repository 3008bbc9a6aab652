"""What a command is: its settings, its summary, and the function that takes them."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from reworld_agent.cli.arguments import read_arguments
from reworld_agent.cli.help import help_of, usage_of
from reworld_agent.cli.logs import logs_on_stderr
from reworld_agent.core.errors import DataError, ReWorldError, UsageError
from reworld_agent.core.extras import not_installed
from reworld_agent.core.guards.writers import writing_alone
from reworld_agent.core.settings import Field, Settings, fields_of
from reworld_agent.core.text import shown

_FULL = (errno.ENOSPC, errno.EDQUOT)  # a disk, or what a user may have of it
# What every command returns; `reworld --help` prints the table.
OK, FAILED, USAGE, BROKEN_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143
_LOST_S = 0.2  # until a termination that leads nowhere is taken for lost
HELP_WORDS = frozenset({"-h", "--help", "help"})
NOTHING = "nothing was written"  # what most commands leave behind where they are interrupted


@dataclass(frozen=True)
class Command:
    """One command of `reworld`.

    Attributes:
        name: one word, or two ("video index").
        summary: one line of `reworld --help`, and the first of its own help.
        settings: what it takes.
        run: `module:function` that takes the settings and returns the exit code; imported when
            the arguments are known to be right. The function is in `cli`, prints, and calls the
            library.
        about: more of its help, before the settings.
        examples: lines of its help, each a whole command line.
        next: what one does after it, a line of its help.
        exit_codes: meaning of its codes beside 2, in words.
        kept: what an interruption leaves behind.
        former: arguments of an earlier grammar, and what stands in their place; "" = nothing.
    """

    name: str
    summary: str
    settings: type[Settings]
    run: str
    about: str = ""
    examples: tuple[str, ...] = ()
    next: str = ""
    exit_codes: str = "0 done; 1 refused or failed"
    kept: str = NOTHING
    former: Mapping[str, str] = field(default_factory=dict)

    def fields(self) -> tuple[Field, ...]:
        """The settings that its arguments name, for completion."""
        return fields_of(self.settings)

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Groups of files of settings that arguments choose from, with the files' names."""
        return {}

    def needs(self, field: Field) -> bool:
        """Whether a setting must be among the arguments."""
        return field.required

    def help(self) -> str:
        """What `reworld NAME --help` prints."""
        return help_of(self)

    def call(self, arguments: Sequence[str]) -> int:
        """Read the arguments and run; help where it is asked for. The exit code."""
        if HELP_WORDS & set(arguments):
            print(self.help())
            return OK
        with logs_on_stderr():
            return exit_of(lambda: self._run(arguments), self.kept)

    def _run(self, arguments: Sequence[str]) -> int:
        given = [self._today(argument) for argument in arguments]
        settings = read_arguments(self.settings, [one for one in given if one], usage_of(self))
        return self.given(settings)

    def given(self, settings: Settings) -> int:
        """Run with settings that are right; nobody else may write what they write."""
        function = self.function()
        with writing_alone(settings):
            return function(settings)

    def function(self) -> Callable[[Settings], int]:
        """What takes the settings; ModuleNotFoundError where a library that it needs is missing."""
        module, _, name = self.run.partition(":")
        function: Callable[[Settings], int] = getattr(import_module(module), name)
        return function

    def _today(self, argument: str) -> str:
        """Today's spelling of an argument of an earlier grammar, with a notice on stderr."""
        new = self.former.get(argument)
        if new is None:
            return argument
        print(f"notice: {argument} is now {new or 'not needed'}", file=sys.stderr)
        return new


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a scheduler sends it at the end of a job's time: ends as Ctrl-C does."""


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Raise `Terminated` in the main thread of this process where it is sent SIGTERM.

    Where it meets Python in a finaliser or a callback, Python prints it and goes on, and a bare
    `except` of somebody's code takes it: it is raised again until it gets through.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    got_through = threading.Event()

    def stop(number: int, frame: object) -> None:
        with suppress(RuntimeError):  # no thread can be had: then once must do
            threading.Thread(target=_raise_again, args=(got_through,), daemon=True).start()
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        got_through.set()
        signal.signal(signal.SIGTERM, before)


def _raise_again(got_through: threading.Event) -> None:
    """Send this process SIGTERM once more where nothing is on its way out any longer."""
    while not got_through.wait(_LOST_S):
        # what is handled now, in an `except` or a `finally` that takes its time, is on its way
        found: Any = sys._current_exceptions().get(threading.main_thread().ident or 0)
        error = found[1] if isinstance(found, tuple) else found  # before Python 3.12 a tuple
        while error is not None and not isinstance(error, Terminated):
            error = error.__context__
        if error is None:
            os.kill(os.getpid(), signal.SIGTERM)
            return


def exit_of(body: Callable[[], int], kept: str) -> int:
    """The exit code of a command's work; what ends it early is printed on stderr.

    Args:
        body: gives an exit code, or raises a ReWorldError.
        kept: what an interruption leaves behind.
    """
    try:
        with terminated_like_interrupted():
            code = body()
            sys.stdout.flush()  # at the end of the process it is too late for a closed pipe
            return code
    except ReWorldError as error:
        return report_error(error)
    except MemoryError as error:  # numpy's says how much it was asked for
        asked = f": {error}" if str(error) else ""
        hint = "ask for less at once: fewer workers=, a smaller batch_size=, size= or number"
        return report_error(ReWorldError(f"the memory of this machine is not enough{asked}", hint))
    except ModuleNotFoundError as error:
        return report_error(not_installed(error.name or ""))
    except Terminated:
        print(f"\nterminated: {kept}", file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt:
        print(f"\ninterrupted: {kept}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _no_more_output()
        return OK
    except OSError as error:
        if error.errno not in _FULL:
            raise
        place = shown(Path(error.filename)) if error.filename else "a file, or what is printed"
        try:
            sys.stdout.flush()
        except OSError:
            _no_more_output()
        return report_error(DataError(f"{place}: {error.strerror}", f"free some space; {kept}"))


def _no_more_output() -> None:
    """What stdout still holds is not written when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def report_error(error: ReWorldError) -> int:
    """Print an error as `error: what` and `next: what to do` on stderr; its exit code."""
    text = str(error).encode("utf-8", "replace").decode("utf-8")  # paths of any bytes
    print(f"error: {text}", file=sys.stderr)
    return USAGE if isinstance(error, UsageError) else FAILED

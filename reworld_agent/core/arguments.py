"""`key=value` words of the command line, with errors that say what is known."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from reworld_agent.core.errors import ReWorldError, UsageError
from reworld_agent.core.extras import not_installed
from reworld_agent.core.text import shown

# What every command returns; `reworld --help` prints the table.
OK, FAILED, USAGE, BROKEN_INPUT, INTERRUPTED = 0, 1, 2, 3, 130
NOTHING = "nothing was written"  # what most commands leave behind where they are interrupted
HELP_WORDS = frozenset({"-h", "--help", "help"})


@dataclass(frozen=True)
class Words:
    """What a command was given: plain words in order, and settings."""

    plain: tuple[str, ...]
    settings: Mapping[str, str]

    def flag(self, key: str, default: bool = False) -> bool:
        """A setting that is true or false; raises UsageError."""
        text = self.settings.get(key, str(default)).lower()
        if text not in ("true", "false"):
            raise UsageError(f"{key}={text} is neither true nor false", f"say {key}=true")
        return text == "true"

    def number(self, key: str, default: int, least: int = 1) -> int:
        """A whole number from `least` on; raises UsageError."""
        text = self.settings.get(key, str(default))
        if not text.isdecimal() or int(text) < least:
            message = f"{key}={text} is no whole number from {least} on"
            raise UsageError(message, f"say {key}={default}")
        return int(text)

    def choice(self, key: str, known: Sequence[str]) -> str | None:
        """One of some words, None where it is not given; raises UsageError."""
        text = self.settings.get(key)
        if text is not None and text not in known:
            raise UsageError(f"{key}={text} is unknown", f"say {key}={' | '.join(known)}")
        return text

    def one_of(self, known: Sequence[str]) -> str:
        """The only plain word, one of `known`; raises UsageError."""
        if len(self.plain) != 1 or self.plain[0] not in known:
            given = " ".join(shown(word) for word in self.plain) or "nothing"
            raise UsageError(f"cannot read {given}", f"say one of {', '.join(known)}")
        return self.plain[0]

    def path(self, key: str) -> Path | None:
        """A path, None where it is not given."""
        text = self.settings.get(key)
        return Path(text).expanduser() if text else None


def parse(arguments: Sequence[str], known: Sequence[str], usage: str) -> Words:
    """Tell settings from plain words; an existing path with `=` in its name is a plain word.

    Raises:
        UsageError: a setting that the command does not know, or without a value.
    """
    plain, settings = [], {}
    for word in arguments:
        key, equals, value = word.partition("=")
        if equals and key in known:
            if not value:
                raise UsageError(f"{key}= has no value", usage)
            settings[key] = value
        elif equals and not Path(word).exists():
            raise UsageError(f"{shown(word)}: {key}= is unknown", usage)
        else:
            plain.append(word)
    return Words(tuple(plain), settings)


def exit_code(error: ReWorldError) -> int:
    """`USAGE` for words that cannot be read, `FAILED` for all else."""
    return USAGE if isinstance(error, UsageError) else FAILED


def report_error(error: ReWorldError) -> int:
    """Print an error as `error: what` and `next: what to do` on stderr; its exit code."""
    text = str(error).encode("utf-8", "replace").decode("utf-8")  # paths of any bytes
    print(f"error: {text}", file=sys.stderr)
    return exit_code(error)


def run_command(
    arguments: Sequence[str], help_text: str, known: Sequence[str], body: Callable[[Words], int]
) -> int:
    """Help, parsing and errors of a command whose whole work is `body`; its exit code.

    Args:
        arguments: what follows the command's name; none at all is wrong usage.
        help_text: printed by `--help`; its first line is the usage.
        known: names of the settings.
        body: the command.
    """
    if not arguments or HELP_WORDS & set(arguments):
        print(help_text)
        return OK if arguments else USAGE
    try:
        return body(parse(arguments, known, help_text.partition("\n")[0]))
    except ReWorldError as error:
        return report_error(error)


def exit_of(body: Callable[[], int], kept: str = NOTHING) -> int:
    """The exit code of a command's work; what ends it early is told on stderr.

    Args:
        body: gives an exit code, or raises a ReWorldError.
        kept: what an interruption leaves behind.
    """
    try:
        return body()
    except ReWorldError as error:
        return report_error(error)
    except ModuleNotFoundError as error:
        return report_error(not_installed(error.name or ""))
    except KeyboardInterrupt:
        print(f"\ninterrupted: {kept}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def run_script(body: Callable[[Sequence[str]], int], kept: str = NOTHING) -> NoReturn:
    """End the process with the exit code of a command, called with the process's own words."""
    sys.exit(exit_of(lambda: body(sys.argv[1:]), kept))

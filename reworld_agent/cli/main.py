"""The `reworld` command: finds the command that is asked for and turns its end into an exit code.

Nothing heavy is imported until a command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from reworld_agent import __version__
from reworld_agent.cli import tree
from reworld_agent.cli.old_commands import BY_NAME, COMMANDS, Command
from reworld_agent.core.arguments import HELP_WORDS, OK, USAGE, exit_of, report_error
from reworld_agent.core.errors import UsageError

EXIT_CODES = """exit codes
  0    done
  1    failed, refused, incomplete, or not to be trusted; stderr says why and what is next
  2    wrong usage: a command, word or value that is unknown
  3    done, but an input bears the signs of a broken evaluation (compare)
  130  interrupted (Ctrl-C); stderr says what was kept
  143  terminated (SIGTERM, as schedulers send it); likewise
"""
_EXAMPLES = """examples
  reworld doctor                          may the numbers of this installation be trusted?
  reworld score agent=reworld             plan and score the embedded split
  reworld explain outputs/pdm_score/RUN   why did scenes fail?
  reworld compare RUN_A RUN_B             is A better than B?
  reworld submit RUN version=1.1 ...      the leaderboard's file
  eval "$(reworld completion bash)"       completion in this shell
"""


def help_text() -> str:
    """What `reworld --help` prints."""
    known = {command.name: command.summary for command in COMMANDS}
    known |= {name: tree.load(name).summary for name in tree.names()}
    width = max(map(len, known))
    rows = [f"  {name:<{width}}  {summary}" for name, summary in known.items()]
    lines = [
        "reworld COMMAND [key=value ...]     reworld COMMAND --help tells more",
        "",
        "ReWorld: a world action model for driving, and the tools to score any planner.",
        "",
        "commands",
        *rows,
        "",
    ]
    notes = "NO_COLOR=1 prints without colours. Long jobs go on where they stopped."
    return "\n".join([*lines, _EXAMPLES, EXIT_CODES, notes])


def group_help(group: str) -> str:
    """What `reworld video --help` prints."""
    rows = {f"{group} {name}": tree.load(f"{group} {name}").summary for name in tree.members(group)}
    width = max(map(len, rows))
    lines = [f"  reworld {name:<{width}}  {summary}" for name, summary in rows.items()]
    head = f"reworld {group} COMMAND [key=value ...]"
    return "\n".join([head, "", *lines, "", f"reworld {group} COMMAND --help tells more"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code, as in `EXIT_CODES`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in HELP_WORDS:
        print(help_text())
        return OK if words else USAGE
    if words[0] == "--version":
        print(__version__)
        return OK
    if words[0] in BY_NAME:
        return _run(BY_NAME[words[0]], words[1:])
    if tree.members(words[0]) and HELP_WORDS & set(words[1:2]):
        print(group_help(words[0]))
        return OK
    try:
        name, rest = tree.find(words)
    except UsageError as error:
        return report_error(error)
    return tree.load(name).call(rest)


def _run(command: Command, words: list[str]) -> int:
    if command.help_text and HELP_WORDS & set(words[:1]):
        print(command.help_text)
        return OK
    return exit_of(lambda: _call(command, words), command.kept)


def _call(command: Command, words: list[str]) -> int:
    name, _, function = command.door.partition(":")
    code: int = getattr(import_module(name), function)(words)
    return code


def run_script(name: str) -> NoReturn:
    """End the process with a command's exit code, given the process's own arguments."""
    sys.exit(main([*name.split(), *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())

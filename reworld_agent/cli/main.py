"""The `reworld` command: finds the command that is asked for and turns its end into an exit code.

Nothing heavy is imported until a command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from reworld_agent import __version__
from reworld_agent.cli import tree
from reworld_agent.cli.command import HELP_WORDS, NOTHING, OK, USAGE, exit_of
from reworld_agent.core.guards.parents import end_with_starter

EXIT_CODES = """exit codes
  0    done
  1    failed, refused, incomplete, or not to be trusted; stderr says why and what is next
  2    wrong usage: a command, word or value that is unknown; nothing was read or written
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
_NOTES = "NO_COLOR=1 prints without colours. Long jobs go on where they stopped."


def help_text() -> str:
    """What `reworld --help` prints."""
    width = max(map(len, tree.names()))
    lines = [
        "reworld COMMAND [key=value ...]     reworld COMMAND --help tells more",
        "",
        "ReWorld: a world action model for driving, and the tools to score any planner.",
        "",
    ]
    for title, names in tree.SECTIONS.items():
        rows = [f"  {name:<{width}}  {tree.load(name).summary}" for name in names]
        lines += [title, *rows, ""]
    return "\n".join([*lines, _EXAMPLES, EXIT_CODES, _NOTES])


def group_help(group: str) -> str:
    """What `reworld video --help` prints."""
    rows = {f"{group} {name}": tree.load(f"{group} {name}").summary for name in tree.members(group)}
    width = max(map(len, rows))
    lines = [f"  reworld {name:<{width}}  {summary}" for name, summary in rows.items()]
    head = f"reworld {group} COMMAND [key=value ...]"
    return "\n".join([head, "", *lines, "", f"reworld {group} COMMAND --help tells more"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code, as in `EXIT_CODES`."""
    end_with_starter()
    given = list(sys.argv[1:] if arguments is None else arguments)
    return exit_of(lambda: _run(given), NOTHING)


def _run(given: list[str]) -> int:
    if not given or given[0] in HELP_WORDS:
        print(help_text())
        return OK if given else USAGE
    if given[0] == "--version":
        print(__version__)
        return OK
    if tree.members(given[0]) and HELP_WORDS & set(given[1:2]):
        print(group_help(given[0]))
        return OK
    name, rest = tree.find(given)
    return tree.load(name).call(rest)


def run_script(name: str) -> NoReturn:
    """End the process with a command's exit code, given the process's own arguments."""
    sys.exit(main([*name.split(), *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())

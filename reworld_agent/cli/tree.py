"""All commands of `reworld`, by the module that holds each; modules are imported when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Field, did_you_mean

SECTIONS: dict[str, tuple[str, ...]] = {
    "plan, score, understand": (
        "score",
        "score-trajectories",
        "explain",
        "report",
        "look",
        "compare",
        "submit",
    ),
    "train": (
        "train",
        "mine",
        "fit-statistics",
        "convert",
        "pool convert",
        "train-demo",
        "train-ego-status-mlp",
    ),
    "vocabularies": ("vocabulary build", "vocabulary score", "vocabulary oracle"),
    "video": (
        *("video index", "video generate", "video train-codec", "video latents", "video prompts"),
        *("video train-actions", "video gate", "video score", "video probe", "video control"),
    ),
    "measure": (
        *("benchmark scorer", "benchmark model", "benchmark data", "benchmark plan"),
        *("benchmark stages", "benchmark methods", "benchmark repulsion", "benchmark guidance"),
        "benchmark ranks",
        *("evidence run", "evidence table", "evidence oracle"),
    ),
    "closed loop": ("drive", "serve driver", "serve world"),
    "reward": ("serve reward",),
    "set up": ("doctor", "synth", "completion"),
}
"""Names of the commands under the headings of `reworld --help`."""


class AnyCommand(Protocol):
    """What the tree wants of a command: of `Command`, and of those that run under Hydra."""

    @property
    def name(self) -> str:
        """One word, or two."""

    @property
    def summary(self) -> str:
        """One line."""

    def call(self, arguments: Sequence[str]) -> int:
        """Run, or print the help; the exit code."""

    def help(self) -> str:
        """What `--help` prints."""

    def fields(self) -> tuple[Field, ...]:
        """The settings that arguments name, for completion."""

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Groups of files of settings, with the files' names, for completion."""


def names() -> list[str]:
    """Names of all commands, in the order of the help."""
    return [name for section in SECTIONS.values() for name in section]


def load(name: str) -> AnyCommand:
    """The command `video index` is COMMAND of the module `cli.commands.video.index`."""
    place = name.replace(" ", ".").replace("-", "_")
    command: AnyCommand = import_module(f"reworld_agent.cli.commands.{place}").COMMAND
    return command


def find(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The name of the command that the arguments start with, and what follows it.

    Raises:
        UsageError: there is none of that name.
    """
    known = names()
    for count in (2, 1):
        name = " ".join(arguments[:count])
        if name in known:
            return name, list(arguments[count:])
    group = members(arguments[0])
    if group:
        first, second = arguments[0], arguments[1] if len(arguments) > 1 else ""
        said = f"'{first} {second}' is not a command"
        said = said if second else f"reworld {first} needs a second word"
        usual = f"one of {', '.join(group)}"
        raise UsageError(said, did_you_mean(second, group, usual, f"reworld {first} {{}}"))
    firsts = list(dict.fromkeys(name.partition(" ")[0] for name in known))
    hint = did_you_mean(arguments[0], firsts, f"one of {', '.join(firsts)}; reworld --help")
    raise UsageError(f"'{arguments[0]}' is not a command", hint)


def members(group: str) -> list[str]:
    """The second words of the commands whose first word is `group`."""
    return [name.partition(" ")[2] for name in names() if name.startswith(f"{group} ")]

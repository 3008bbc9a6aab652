"""The commands of `reworld`: what each does, what it takes, and where its code is."""

from __future__ import annotations

from dataclasses import dataclass

from reworld_agent.core.arguments import NOTHING


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: the word after `reworld`.
        summary: one line of `reworld --help`.
        door: `module:function` that takes the words after the name and returns the exit code.
        settings: names of its `key=value` words, for completion.
        plain: its plain words, for completion.
        help_text: what `--help` prints; "" where the function prints its own.
        kept: what an interruption leaves behind.
    """

    name: str
    summary: str
    door: str
    settings: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    help_text: str = ""
    kept: str = NOTHING


COMMANDS = (
    Command(
        "convert",
        "weights of LTX-Video, DriveLaW or the authors' release as a folder of ours",
        "reworld_agent.checkpoints.command:main",
        ("from", "source", "act", "vae", "t5", "trunk", "recipe", "stage", "output"),
    ),
)
BY_NAME = {command.name: command for command in COMMANDS}

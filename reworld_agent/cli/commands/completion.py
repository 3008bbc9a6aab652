"""`reworld completion bash|zsh`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reworld_agent.cli.command import OK, Command
from reworld_agent.cli.completion import script
from reworld_agent.core.settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class CompletionSettings(Settings):
    """Which shell's script is printed."""

    shell: Literal["bash", "zsh"] = setting("bash or zsh", positional=True)


COMMAND = Command(
    name="completion",
    summary="print the shell's completion script",
    settings=CompletionSettings,
    run="reworld_agent.cli.commands.completion:run",
    about="""
A script that completes commands, settings, their choices and files of `reworld`.
""",
    examples=(
        'eval "$(reworld completion bash)"            for this shell; in ~/.bashrc for all',
        'reworld completion zsh > "${fpath[1]}/_reworld"',
    ),
    exit_codes="0 printed",
)


def run(settings: CompletionSettings) -> int:
    """Print the script."""
    print(script(settings.shell))
    return OK

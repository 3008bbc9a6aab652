"""`reworld completion bash|zsh`: the shell completes commands, settings and files.

Settings are `key=value` words, which no completion library that we know of completes: after
`key` there must be no space, and after `=` come files.
"""

from __future__ import annotations

from collections.abc import Sequence

from reworld_agent.cli.old_commands import COMMANDS
from reworld_agent.core.arguments import Words, run_command

HELP = """reworld completion bash|zsh

Print a script that completes commands, settings and files of `reworld`.

example: eval "$(reworld completion bash)"            for this shell; in ~/.bashrc for all
example: reworld completion zsh > "${fpath[1]}/_reworld"

exit codes: 0 printed; 2 wrong usage.
"""
_BASH = """_reworld() {{
    local line="${{COMP_LINE:0:COMP_POINT}}" current words
    read -ra words <<< "$line"
    [[ "$line" == *" " ]] && words+=("")
    current="${{words[-1]}}"
    if (( ${{#words[@]}} <= 2 )); then
        COMPREPLY=($(compgen -W "{names}" -- "$current"))
        return
    fi
    compopt -o nospace
    if [[ "$current" == *=* ]]; then
        COMPREPLY=($(compgen -f -- "${{current#*=}}"))
        return
    fi
    case "${{words[1]}}" in
{cases}
    esac
    COMPREPLY+=($(compgen -f -- "$current"))
}}
complete -F _reworld reworld
"""
_ZSH = """#compdef reworld
_reworld() {{
    if (( CURRENT == 2 )); then
        compadd {names}
        return
    fi
    if [[ "$PREFIX" == *=* ]]; then
        compset -P '*='
        _files
        return
    fi
    case "${{words[2]}}" in
{cases}
    esac
    _files
}}
compdef _reworld reworld
"""


def script(shell: str) -> str:
    """The completion script of `bash` or `zsh`."""
    names = " ".join(command.name for command in COMMANDS)
    cases = []
    for command in COMMANDS:
        settings = " ".join([*(f"{name}=" for name in command.settings), *command.plain, "--help"])
        if shell == "bash":
            action = f'COMPREPLY=($(compgen -W "{settings}" -- "$current"))'
        else:
            action = f"compadd -S '' -- {settings}"
        cases.append(f"        {command.name}) {action} ;;")
    template = _BASH if shell == "bash" else _ZSH
    return template.format(names=names, cases="\n".join(cases))


def main(arguments: Sequence[str]) -> int:
    """Print the script of a shell."""
    return run_command(arguments, HELP, (), _print)


def _print(words: Words) -> int:
    print(script(words.one_of(("bash", "zsh"))))
    return 0

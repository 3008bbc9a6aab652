"""The shell's completion scripts: commands, settings, their choices and files.

Settings are `key=value`, which no completion library that we know of completes: after `key=` there
must be no space, and after it come choices or files. The scripts are made from the settings' own
fields, so that they offer what the parser takes, and start no Python.
"""

from __future__ import annotations

from collections.abc import Sequence

from reworld_agent.cli import tree
from reworld_agent.core.settings import Field

_BASH = r"""_reworld_offer() {  # candidates, one a line, that start with the current word
    local line
    while IFS= read -r line; do
        [[ -n "$line" && "$line" == "$2"* ]] && COMPREPLY+=("$3$line")
    done <<< "$1"
}
_reworld() {
    local word command current="${COMP_WORDS[COMP_CWORD]}" key="" prefix="" keys="" values=""
    local used=" " files="" i
    COMPREPLY=()
    for (( i = 1; i < COMP_CWORD; i++ )); do
        word="${COMP_WORDS[i]}"
        [[ "${COMP_WORDS[i+1]}" == "=" ]] && used+="$word "
    done
    if [[ "$current" == "=" ]]; then
        key="${COMP_WORDS[COMP_CWORD-1]}" current=""
    elif (( COMP_CWORD > 1 )) && [[ "${COMP_WORDS[COMP_CWORD-1]}" == "=" ]]; then
        key="${COMP_WORDS[COMP_CWORD-2]}"
    elif [[ "$current" == *=* ]]; then  # a shell that does not break words at =
        key="${current%%=*}" prefix="${current%%=*}=" current="${current#*=}"
    fi
    command="${COMP_WORDS[1]}"
    if (( COMP_CWORD == 1 )); then
        _reworld_offer '@FIRSTS@' "$current"
        return
    fi
    case "$command" in
@GROUPS@
    esac
    if [[ -n "$key" ]]; then
        case "$command/$key" in
@VALUES@
        esac
        if [[ -z "$files" ]]; then
            _reworld_offer "$values" "$current" "$prefix"
            return
        fi
        compopt -o filenames
        current="${current#[\"\']}" current="${current//\\/}"
        [[ "$current" == "~/"* ]] && current="$HOME/${current#\~/}"
        _reworld_offer "$(compgen "$files" -- "$current")" "" "$prefix"
        return
    fi
    if [[ "$current" == [\"\']* ]]; then  # quotes are open: the shell closes them
        compopt -o filenames
        _reworld_offer "$(compgen -f -- "${current#[\"\']}")" ""
        return
    fi
    compopt -o nospace
    case "$command" in
@KEYS@
    esac
    for word in $keys; do
        [[ "$used" == *" ${word%=} "* ]] || _reworld_offer "$word" "$current"
    done
    _reworld_offer "$values"$'\n'--help "$current"
    if [[ -n "$files" ]]; then
        current="${current//\\/}"
        while IFS= read -r word; do
            [[ -d "$word" ]] && word+="/"
            [[ -n "$word" ]] && COMPREPLY+=("$(printf '%q' "$word")")
        done <<< "$(compgen "$files" -- "$current")"
    fi
}
complete -F _reworld reworld
"""
_ZSH = r"""#compdef reworld
_reworld() {
    local command="${words[2]}" key
    if (( CURRENT == 2 )); then
        compadd -- ${(f)"$(print -r -- '@FIRSTS@')"}
        return
    fi
    case "$command" in
@GROUPS@
    esac
    if [[ "$PREFIX" == *=* ]]; then
        key="${PREFIX%%=*}"
        compset -P '*='
        case "$command/$key" in
@VALUES@
        esac
        return
    fi
    compadd -- --help
    case "$command" in
@KEYS@
    esac
}
if [[ "${funcstack[1]}" == "_reworld" ]]; then
    _reworld "$@"
else
    compdef _reworld reworld
fi
"""


def script(shell: str) -> str:
    """The completion script of `bash` or `zsh`."""
    names = tree.names()
    firsts = "\n".join(dict.fromkeys(name.partition(" ")[0] for name in names))
    fields = {name: tree.load(name).fields() for name in names}
    template, write = (_BASH, _Bash) if shell == "bash" else (_ZSH, _Zsh)
    parts = {
        "FIRSTS": f"{firsts}\n--help\n--version",
        "GROUPS": "\n".join(write.group(name, tree.members(name)) for name in _groups(names)),
        "VALUES": "\n".join(
            write.values(f"{name}/{field.word}", field)
            for name, own in fields.items()
            for field in own
            if _values(field) or _takes_paths(field)
        ),
        "KEYS": "\n".join(write.keys(name, own) for name, own in fields.items()),
    }
    for key, text in parts.items():
        template = template.replace(f"@{key}@", text)
    return template


def _groups(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name.partition(" ")[0] for name in names if " " in name))


def _values(field: Field) -> tuple[str, ...]:
    return ("true", "false") if field.kind is bool else field.choices


def _takes_paths(field: Field) -> bool:
    return field.kind.__name__ == "Path"


def _only_folders(field: Field) -> bool:
    return "folder" in (field.about.exists, field.about.writes)


class _Bash:
    """Lines of the bash script."""

    @staticmethod
    def group(name: str, members: Sequence[str]) -> str:
        offered = "\n".join([*members, "--help"])
        return (
            f"        {name})\n"
            f"            if (( COMP_CWORD == 2 )); then\n"
            f"                _reworld_offer '{offered}' \"$current\"\n"
            f"                return\n"
            f"            fi\n"
            f'            command+=" ${{COMP_WORDS[2]}}" ;;'
        )

    @staticmethod
    def values(place: str, field: Field) -> str:
        if _takes_paths(field):
            return f'            "{place}") files={"-d" if _only_folders(field) else "-f"} ;;'
        return f"            \"{place}\") values='{chr(10).join(_values(field))}' ;;"

    @staticmethod
    def keys(name: str, fields: Sequence[Field]) -> str:
        keys = " ".join(f"{field.word}=" for field in fields if not field.about.positional)
        line = f"        \"{name}\") keys='{keys}'"
        plain = [field for field in fields if field.about.positional]
        choices = [value for field in plain for value in _values(field)]
        if choices:
            line += f" values='{chr(10).join(choices)}'"
        if any(_takes_paths(field) for field in plain):
            line += " files=-f"
        return line + " ;;"


class _Zsh:
    """Lines of the zsh script."""

    @staticmethod
    def group(name: str, members: Sequence[str]) -> str:
        return (
            f"        {name})\n"
            f"            if (( CURRENT == 3 )); then\n"
            f"                compadd -- {' '.join(members)} --help\n"
            f"                return\n"
            f"            fi\n"
            f'            command+=" ${{words[3]}}" ;;'
        )

    @staticmethod
    def values(place: str, field: Field) -> str:
        if _takes_paths(field):
            return f'            "{place}") _files{" -/" if _only_folders(field) else ""} ;;'
        return f'            "{place}") compadd -- {" ".join(_values(field))} ;;'

    @staticmethod
    def keys(name: str, fields: Sequence[Field]) -> str:
        keys = " ".join(f"{field.word}=" for field in fields if not field.about.positional)
        actions = [f"compadd -S '' -- {keys}"]
        plain = [field for field in fields if field.about.positional]
        choices = [value for field in plain for value in _values(field)]
        if choices:
            actions.append(f"compadd -- {' '.join(choices)}")
        if any(_takes_paths(field) for field in plain):
            actions.append("_files")
        return f'        "{name}") {"; ".join(actions)} ;;'

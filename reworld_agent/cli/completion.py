"""The shell's completion scripts: commands, settings, their choices and files.

Settings are `key=value`, which no completion library that we know of completes: after `key=` there
must be no space, and after it come choices or files. The scripts are made from the settings' own
fields, so that they offer what the parser takes, and start no Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reworld_agent.cli import tree

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


@dataclass(frozen=True)
class Offer:
    """What is offered for one setting.

    Attributes:
        word: before `=`; "" where it is given without.
        values: after it.
        paths: "files" or "folders" that are offered too; "" = none.
    """

    word: str
    values: tuple[str, ...] = ()
    paths: str = ""


def offers(command: tree.AnyCommand) -> list[Offer]:
    """What is offered for a command: its settings, and the files that it chooses from."""
    groups = command.groups()
    # settings without a word of explanation are what other programs' files may say
    known = [field for field in command.fields() if field.about.doc and field.word not in groups]
    found = [Offer(name, files) for name, files in groups.items()]
    for field in known:
        values = ("true", "false") if field.kind is bool else field.choices
        only_folders = "folder" in (field.about.exists, field.about.writes)
        paths = "" if field.kind is not Path else "folders" if only_folders else "files"
        found.append(Offer("" if field.about.positional else field.word, values, paths))
    return found


def script(shell: str) -> str:
    """The completion script of `bash` or `zsh`."""
    names = tree.names()
    firsts = list(dict.fromkeys(name.partition(" ")[0] for name in names))
    groups = [first for first in firsts if tree.members(first)]
    known = {name: offers(tree.load(name)) for name in names}
    template, write = (_BASH, _Bash) if shell == "bash" else (_ZSH, _Zsh)
    parts = {
        "FIRSTS": "\n".join([*firsts, "--help", "--version"]),
        "GROUPS": "\n".join(write.group(name, tree.members(name)) for name in groups),
        "VALUES": "\n".join(
            write.values(f"{name}/{offer.word}", offer)
            for name, own in known.items()
            for offer in own
            if offer.word and (offer.values or offer.paths)
        ),
        "KEYS": "\n".join(write.keys(name, own) for name, own in known.items()),
    }
    for key, text in parts.items():
        template = template.replace(f"@{key}@", text)
    return template


class _Bash:
    """Lines of the bash script."""

    @staticmethod
    def group(name: str, members: Sequence[str]) -> str:
        """The case of a first word, such as `video`, that takes one of `members` behind it."""
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
    def values(place: str, offer: Offer) -> str:
        if offer.paths:
            return f'            "{place}") files={"-d" if offer.paths == "folders" else "-f"} ;;'
        values = "\n".join(offer.values)
        return f"            \"{place}\") values='{values}' ;;"

    @staticmethod
    def keys(name: str, offers: Sequence[Offer]) -> str:
        keys = " ".join(f"{offer.word}=" for offer in offers if offer.word)
        plain = [offer for offer in offers if not offer.word]
        values = "\n".join(value for offer in plain for value in offer.values)
        line = f"        \"{name}\") keys='{keys}' values='{values}'"
        return f"{line} files=-f ;;" if any(offer.paths for offer in plain) else f"{line} ;;"


class _Zsh:
    """Lines of the zsh script."""

    @staticmethod
    def group(name: str, members: Sequence[str]) -> str:
        """As `_Bash.group`."""
        return (
            f"        {name})\n"
            f"            if (( CURRENT == 3 )); then\n"
            f"                compadd -- {' '.join(members)} --help\n"
            f"                return\n"
            f"            fi\n"
            f'            command+=" ${{words[3]}}" ;;'
        )

    @staticmethod
    def values(place: str, offer: Offer) -> str:
        if offer.paths:
            return f'            "{place}") _files{" -/" if offer.paths == "folders" else ""} ;;'
        return f'            "{place}") compadd -- {" ".join(offer.values)} ;;'

    @staticmethod
    def keys(name: str, offers: Sequence[Offer]) -> str:
        keys = " ".join(f"{offer.word}=" for offer in offers if offer.word)
        plain = [offer for offer in offers if not offer.word]
        values = " ".join(value for offer in plain for value in offer.values)
        actions = [f"compadd -S '' -- {keys}"]
        actions += [f"compadd -- {values}"] if values else []
        actions += ["_files"] if any(offer.paths for offer in plain) else []
        return f'        "{name}") {"; ".join(actions)} ;;'

"""Help of a command, written from its settings."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Protocol

from reworld_agent.core.settings import Field, as_text

_WIDTH = 100
_INDENT = 22
_METAVARS = {bool: "true|false", int: "N", float: "X", str: "NAME", Path: "PATH"}


class Described(Protocol):
    """What help is written from; see `command.Command`, which is one."""

    @property
    def name(self) -> str:
        """One word, or two."""

    @property
    def summary(self) -> str:
        """One line."""

    @property
    def about(self) -> str:
        """Paragraphs."""

    @property
    def examples(self) -> tuple[str, ...]:
        """Whole command lines."""

    @property
    def next(self) -> str:
        """What one does after it."""

    @property
    def exit_codes(self) -> str:
        """Meaning of its codes beside 2."""

    def fields(self) -> tuple[Field, ...]:
        """Of its settings."""

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Groups of files of settings, with the files' names."""

    def needs(self, field: Field) -> bool:
        """Whether it must be given."""


def usage_of(command: Described) -> str:
    """One line: the command with what it needs."""
    fields = command.fields()
    plain = [_positional(field) for field in fields if field.about.positional]
    needed = [
        f"{field.word}={_value(field)}"
        for field in fields
        if command.needs(field) and not field.about.positional
    ]
    more = ["[key=value ...]"] if any(not command.needs(field) for field in fields) else []
    return " ".join(["reworld", command.name, *plain, *needed, *more])


def help_of(command: Described) -> str:
    """What `reworld COMMAND --help` prints."""
    stop = "" if command.summary.endswith("?") else "."
    blocks = [usage_of(command), command.summary[:1].upper() + command.summary[1:] + stop]
    said = command.about.strip("\n").split("\n\n") if command.about else []
    blocks += [_wrapped(paragraph) for paragraph in said]
    groups: dict[str, list[str]] = {"": []}
    known = {field.word for field in command.fields()}
    for name, files in command.groups().items():
        if name not in known:
            text = f"a file of settings: {', '.join(files)}, or one below --config-dir"
            groups[""].append(_row(f"{name}=NAME", text))
    for field in command.fields():
        if not field.about.doc:  # what other programs' files may say, and nobody need know
            continue
        line = _line(field, command.needs(field))
        groups.setdefault(field.about.group, []).append(line)
    blocks += [
        "\n".join([*([f"{name}:"] if name else []), *rows]) for name, rows in groups.items() if rows
    ]
    if command.examples:
        blocks.append("\n".join(f"example: {line}" for line in command.examples))
    if command.next:
        blocks.append(f"next: {command.next}")
    blocks.append(_wrapped(f"exit codes: {command.exit_codes}; 2 wrong usage", "            "))
    return "\n\n".join(blocks)


def _wrapped(text: str, indent: str = "") -> str:
    """A paragraph at the width of the help; one with lines of its own stays as it is."""
    if "\n  " in text:
        return text
    return textwrap.fill(
        " ".join(text.split()),
        _WIDTH,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _positional(field: Field) -> str:
    name = field.about.metavar or field.name.upper()
    name += " ..." if field.many else ""
    return name if field.required else f"[{name}]"


def _value(field: Field) -> str:
    """What stands for the value: its choices where they are few, else a name for its kind."""
    if field.about.metavar:
        return field.about.metavar
    short = "|".join(field.choices)
    value = short if field.choices and len(short) <= 40 else _METAVARS[field.kind]
    return f"[{value},...]" if field.many else value


def _line(field: Field, needed: bool) -> str:
    """The setting, what it is, its choices where they do not stand beside it, its default."""
    head = _positional(field) if field.about.positional else f"{field.word}={_value(field)}"
    text = field.about.doc
    if field.choices and "|" not in _value(field):
        text += f": {', '.join(field.choices)}"
    limits = _limits(field, needed)
    text += f" [{limits}]" if limits else ""
    return _row(head, text)


def _row(head: str, text: str) -> str:
    indent = " " * _INDENT
    lines = textwrap.wrap(text, _WIDTH - _INDENT, break_on_hyphens=False, break_long_words=False)
    body = f"\n{indent}".join(lines)
    gap = "\n" + indent if len(head) > _INDENT - 4 else " " * (_INDENT - 2 - len(head))
    return f"  {head}{gap}{body}"


def _limits(field: Field, needed: bool) -> str:
    """Default and range: "default 10000, at least 100"."""
    limits = []
    if not field.required and field.default not in (None, ()):
        limits.append(f"default {as_text(field.default)}")
    elif needed and not field.about.positional:
        limits.append("needed")
    if field.range:
        limits.append(field.range.removeprefix("of "))
    return ", ".join(limits)

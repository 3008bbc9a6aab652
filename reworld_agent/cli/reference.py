"""The page of all commands: `python -m reworld_agent.cli.reference > docs/commands.md`."""

from __future__ import annotations

from reworld_agent.cli import tree

_TOP = """# Commands

What `--help` of each command prints. Arguments are `key=value` in Hydra's grammar: a value with
`=`, `,`, `{` or a space takes quotes of its own (`"key='a value'"`).
"""


def page() -> str:
    """Markdown: a heading for each section of `reworld --help`, and the help of its commands."""
    parts = [_TOP]
    for section, names in tree.SECTIONS.items():
        helps = [f"### reworld {name}\n\n```text\n{_help(name)}\n```\n" for name in names]
        parts += [f"## {section[:1].upper()}{section[1:]}\n", *helps] if helps else []
    return "\n".join(parts)


def _help(name: str) -> str:
    return tree.load(name).help().rstrip()


if __name__ == "__main__":
    print(page())

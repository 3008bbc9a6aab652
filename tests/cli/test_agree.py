"""Parser, help, completion, node and checks of every command say what its settings say.

Each is looked at from outside: the text that `--help` prints, the words that a real bash offers,
the configuration that OmegaConf makes, and what happens to arguments.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import hydra
import pytest
from omegaconf import OmegaConf

from reworld_agent.cli import tree
from reworld_agent.cli.arguments import read_arguments, schema
from reworld_agent.cli.command import Command
from reworld_agent.cli.hydra_command import HydraCommand
from reworld_agent.core.errors import UsageError
from reworld_agent.core.settings import Field, as_text
from tests.cli.commands import BASH, NAMES, entries, limits, offered

PLAIN = [name for name in NAMES if not isinstance(tree.load(name), HydraCommand)]


def plain(name: str) -> Command:
    """A command that reads its own arguments."""
    command = tree.load(name)
    assert isinstance(command, Command) and not isinstance(command, HydraCommand)
    return command


def named(command: tree.AnyCommand) -> dict[str, Field]:
    """Its settings that are given by name, and that people shall know."""
    return {f.word: f for f in command.fields() if not f.about.positional and f.about.doc}


@pytest.mark.parametrize("name", NAMES)
def test_help_names_every_setting_with_its_default_choices_and_range(name: str) -> None:
    command = tree.load(name)
    said = {key: (value, text) for key, value, text in entries(command.help())}
    fields = named(command)
    assert set(said) == {*fields, *command.groups()}
    for group, files in command.groups().items():
        assert all(file in said[group][1] for file in files)
    for key, field in fields.items():
        value, text = said[key]
        told = limits(text)
        if not field.required and field.default not in (None, ()):
            assert f"default {as_text(field.default)}" in ", ".join(told), (key, text)
        if field.range:
            assert field.range.removeprefix("of ") in ", ".join(told), (key, text)
        for choice in field.choices:
            assert choice in value.split("|") or choice in text, (key, choice)
        assert field.about.doc.split(" ")[0] in text


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_positional_settings_and_what_is_needed(name: str) -> None:
    command = tree.load(name)
    usage, *rest = command.help().splitlines()
    assert usage.startswith(f"reworld {name}")
    for field in command.fields():
        if field.about.positional:
            shown = field.about.metavar or field.name.upper()
            assert shown in usage and any(shown in line for line in rest)
        elif field.required and not isinstance(command, HydraCommand):
            assert f"{field.word}=" in usage


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_bash_offers_what_the_settings_are(name: str, tmp_path: Path) -> None:
    command = tree.load(name)
    (tmp_path / "a file").touch()
    (tmp_path / "a folder").mkdir()
    line = ["reworld", *name.split()]
    found = offered([*line, ""], tmp_path)
    keys = {word.removesuffix("=") for word in found if word.endswith("=")}
    groups = command.groups()
    assert keys == {*named(command), *groups} and "--help" in found
    for group, files in groups.items():
        assert files and offered([*line, group, "=", ""], tmp_path) == set(files)
    for key, field in named(command).items():
        if key in groups:
            continue
        values = offered([*line, key, "=", ""], tmp_path)
        if field.kind is bool:
            assert values == {"true", "false"}
        elif field.choices:
            assert values == set(field.choices)
        elif field.kind is Path and "folder" in (field.about.exists, field.about.writes):
            assert values == {"a folder"}
        elif field.kind is Path:
            assert values == {"a file", "a folder"}
        else:
            assert not values, key


@pytest.mark.parametrize("name", PLAIN)
def test_the_node_has_the_names_types_and_defaults(name: str) -> None:
    command = plain(name)
    node = OmegaConf.structured(schema(command.settings))
    fields = {field.name: field for field in command.fields()}
    assert set(node) == set(fields)
    for key, field in fields.items():
        assert OmegaConf.is_missing(node, key) == field.required
        if not field.required:
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            assert node[key] == default
        if field.kind in (int, float, bool) and not field.many and not field.about.read:
            with pytest.raises(Exception, match=r"could not be converted|not a valid"):
                node[key] = "x y"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in PLAIN])
def test_hydras_configuration_has_every_name(name: str) -> None:
    command = tree.load(name)
    assert isinstance(command, HydraCommand)
    with hydra.initialize_config_module("navsim_configs", version_base="1.3"):
        config = hydra.compose(command.config)
    for word in named(command):
        *above, last = word.split(".")
        node: Any = config
        for part in above:
            node = node[part]
        assert last in list(node), word  # `in` alone misses what must be given


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a file and a folder; what must hold between settings is left aside."""
    for name in PLAIN:
        monkeypatch.setattr(plain(name).settings, "check", lambda self: None)
        monkeypatch.setattr(plain(name).settings, "inputs", lambda self: [])
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


def sample(field: Field, folder: Path) -> tuple[str, Any]:
    """An argument's text, and the value that it must become."""
    if field.choices:
        return field.choices[-1], field.choices[-1]
    if field.kind is Path:
        kind = "folder" if "folder" in (field.about.exists, field.about.writes) else "file"
        return str(folder / kind), folder / kind
    if field.kind is bool:
        return "true", True
    if field.kind in (int, float):
        about = field.about
        least = about.least if about.least is not None else 1 if about.above is not None else 0
        return f"{least:g}", field.kind(least)
    return "text", "text"


@pytest.mark.parametrize("name", PLAIN)
def test_every_setting_is_read(name: str, unchecked: Path) -> None:
    command = plain(name)
    texts, values = {}, {}
    for field in command.fields():
        if field.about.read or field.about.collects:
            continue
        text, value = sample(field, unchecked)
        texts[field.word] = text
        values[field.name] = (value,) if field.many else value
    found = read_arguments(command.settings, [f"{k}={v}" for k, v in texts.items()], "")
    assert {key: getattr(found, key) for key in values} == values


@pytest.mark.parametrize("name", PLAIN)
def test_every_setting_is_checked(name: str, unchecked: Path) -> None:
    """A wrong value of each is refused by its name, with the others right."""
    command = plain(name)
    fields = [f for f in command.fields() if not f.about.collects]
    right = {f.word: sample(f, unchecked)[0] for f in fields if f.required and not f.about.read}
    for field in fields:
        for text in wrong_values(field):
            words = [f"{k}={v}" for k, v in {**right, field.word: text}.items()]
            with pytest.raises(UsageError) as caught:
                read_arguments(command.settings, words, "usage")
            shown = field.about.metavar or field.name.upper()
            said = caught.value.message
            assert field.word in said or (field.about.positional and shown in said), text


def wrong_values(field: Field) -> list[str]:
    """Texts that a setting cannot take."""
    about = field.about
    wrong = [""]
    if field.kind is bool:
        wrong.append("maybe")
    if field.kind in (int, float) and not about.read:
        wrong += ["x", "nan"]
    if field.kind is int:
        wrong.append("1.5")
    if about.least is not None:
        wrong.append(f"{about.least - 1:g}")
    if about.above is not None:
        wrong.append(f"{about.above:g}")
    if field.choices and not about.open:
        wrong.append("x y")
    if about.exists:
        wrong.append("/nowhere/at/all")
    return wrong


@pytest.mark.parametrize("name", PLAIN)
def test_earlier_names_go_on_working(
    name: str, unchecked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = plain(name)
    right = {f.word: sample(f, unchecked)[0] for f in command.fields() if f.required}
    for field in command.fields():
        for old in field.about.old_names:
            text, value = sample(field, unchecked)
            others = [f"{k}={v}" for k, v in right.items() if k != field.word]
            told = [f"{old}={text}"] if not old.startswith("--") else [old, text]
            told = told[:1] if old.startswith("--") and field.kind is bool else told
            found = read_arguments(command.settings, [*others, *told], "")
            assert getattr(found, field.name) == ((value,) if field.many else value)
            assert f"notice: {old} is now {field.word}=" in capsys.readouterr().err


@pytest.mark.parametrize("name", PLAIN)
def test_the_same_checks_hold_in_python(name: str, unchecked: Path) -> None:
    command = plain(name)
    right = {f.name: sample(f, unchecked)[1] for f in command.fields() if f.required}
    right = {
        f.name: (right[f.name],) if f.many else right[f.name]
        for f in command.fields()
        if f.required
    }
    assert command.settings(**right).as_dict()
    for field in command.fields():
        if field.kind is int and field.about.least is not None and not field.many:
            with pytest.raises(UsageError, match=f"{field.word}="):
                command.settings(**{**right, field.name: int(field.about.least) - 1})
        with pytest.raises(UsageError):
            command.settings(**{**right, field.name: object()})


def test_names_are_one(tmp_path: Path) -> None:
    """One word for one thing in all commands that read their own arguments."""
    words = {(field.word, name) for name in PLAIN for field in plain(name).fields()}
    retired = {"checkpoint", "weights", "batch", "output_folder", "part", "root_dir"}
    assert not {pair for pair in words if pair[0] in retired}
    for name in PLAIN:
        for field in plain(name).fields():
            if field.about.writes == "folder":
                assert field.word in ("output_dir", "cache_dir"), (name, field.word)
            elif field.about.writes:
                assert field.word in ("output", "picture", "page"), (name, field.word)


def test_a_command_that_is_changed_changes_its_help() -> None:
    """The texts are made of the settings, not kept beside them."""
    command = plain("compare")
    assert "resamples=" in command.help()
    other = replace(command, settings=plain("synth").settings)
    assert "resamples=" not in other.help() and "cameras=" in other.help()

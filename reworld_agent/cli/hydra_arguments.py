"""Arguments of the commands that run under Hydra: read before it is, and what it says of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from reworld_agent.core.errors import UsageError
from reworld_agent.core.sections import all_fields, is_known, known_words, unknown
from reworld_agent.core.settings import Settings, did_you_mean, wrong
from reworld_agent.core.signatures import argument_names
from reworld_agent.core.text import shown

# Hydra's own options, with how many arguments follow each.
_OPTIONS = {
    **dict.fromkeys(("--cfg", "-c", "--package", "-p", "--config-dir", "-cd"), 1),
    **dict.fromkeys(("--config-name", "-cn", "--config-path", "-cp"), 1),
    **dict.fromkeys(("--resolve", "--hydra-help", "--multirun", "-m", "--run", "-r"), 0),
    **dict.fromkeys(("--info", "-i", "--shell-completion", "-sc"), 0),
}
_OTHER_FILES = {"--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"}
_OVERRIDE = re.compile(r"(?:Error merging override (\S.*)|Could not override '([^']+)')")
_NO_FOLDER = re.compile(r"Additional config directory '(.*)' not found")
_QUOTES = "\"key='a value'\""
_DEVKIT = "nav"  # how names of the devkit's splits begin
_SPLITS = (
    "the devkit's splits (navtest, navtrain ...) need NAVSIM_DEVKIT_ROOT; a folder of logs below "
    "OPENSCENE_DATA_ROOT is train_test_split.data_split=NAME"
)


def read_arguments(settings: type[Settings], arguments: Sequence[str], usage: str) -> list[str]:
    """The arguments as Hydra takes them; values are looked at when they are composed.

    A name in a table that may have it (`trainer.params.enable_progress_bar=`) needs no `+`, nor
    does what the class of an agent takes and its file does not name.

    Args:
        settings: what the command takes.
        arguments: overrides in Hydra's grammar, and Hydra's own options.
        usage: the hint of errors that have none of their own.

    Raises:
        UsageError: an argument cannot be read, is unknown, given twice or has no value.
    """
    overrides, options = _without_options(settings, arguments, usage)
    agent = _value_of("agent", overrides, "reworld")
    others = {option.partition("=")[0] for option in options}
    named = _agent_words(agent) if not _OTHER_FILES & others else None
    if not any(word.partition(".")[0] == "agent" for word in known_words(settings)):
        named = set()  # `fit-statistics` has no agent
    declared = {field.word for field in all_fields(settings)} | (named or set())
    named = named and named | _class_words(agent)
    seen: set[str] = set()
    added = []
    for override in overrides:
        key, equals, value = override.partition("=")
        word = key.lstrip("+~").partition("@")[0]
        if not equals and not key.startswith("~"):
            raise UsageError(
                f"cannot read {shown(override)}",
                did_you_mean(word, known_words(settings), usage, "{}=VALUE"),
            )
        if equals and not value:
            raise UsageError(f"{word}= has no value", f"give it one, or leave {word}= out")
        if word in seen:
            raise UsageError(f"{word}= is given twice", "give it once")
        seen.add(word)
        if not _may_be(settings, word, named, is_new=key.startswith("+")):
            raise unknown(settings, word, sorted(named or ()))
        if equals and key == word and named is not None and _is_inside(word, declared):
            added.append(f"++{override}")
        elif equals and key == f"+{word}" and "." in word and word in declared:
            added.append(f"+{override}")  # `++`: Hydra's `+` refuses what has become a setting
        else:
            added.append(override)
    # Hydra's parser wants its options behind all overrides
    return added + options


def _is_inside(word: str, declared: set[str]) -> bool:
    """Whether a word is of a table's own making: its table is declared, it is not."""
    return "." in word and word not in declared and not word.startswith("hydra.")


def _without_options(
    settings: type[Settings], arguments: Sequence[str], usage: str
) -> tuple[list[str], list[str]]:
    """Overrides, and Hydra's options with their values; raises UsageError for others."""
    overrides, options, taken = [], [], 0
    for argument in arguments:
        name = argument.partition("=")[0]
        if taken:
            taken -= 1
            options.append(argument)
        elif not argument.startswith("-"):
            overrides.append(argument)
        elif name in _OPTIONS:
            options.append(argument)
            taken = 0 if "=" in argument else _OPTIONS[name]
        else:
            word = argument.lstrip("-")
            plain = word if is_known(settings, word.partition("=")[0]) else ""
            hint = f"did you mean {plain}?" if plain else usage
            raise UsageError(f"cannot read {shown(argument)}", hint)
    return overrides, options


def _value_of(group: str, overrides: Sequence[str], default: str) -> str:
    found = [text.partition("=")[2] for text in overrides if text.startswith(f"{group}=")]
    return found[0] if found else default


def _agent_words(name: str) -> set[str] | None:
    """What an agent's own file adds to a command; None where it is no file of ours."""
    content = _agent_file(name)
    if content is None:
        return None
    return {word for key, value in content.items() for word in _flat(key, value)}


def _class_words(name: str) -> set[str]:
    """What the class of an agent of ours takes."""
    content = _agent_file(name) or {}
    names = argument_names(content["agent"]["_target_"]) if content else ()
    return {f"agent.{argument}" for argument in names or ()}


def _agent_file(name: str) -> dict[str, Any] | None:
    """An agent's own file; None where it is no file of ours."""
    file = resources.files("navsim_configs").joinpath("agent", f"{name}.yaml")
    return dict(yaml.safe_load(file.read_text(encoding="utf-8"))) if file.is_file() else None


def _flat(key: str, value: Any) -> list[str]:
    """Words of a file; a table without any of its own, which is open, ends with a dot."""
    if not isinstance(value, dict):
        return [key]
    return [f"{key}.{word}" for name in value for word in _flat(name, value[name])] or [f"{key}."]


def _may_be(settings: type[Settings], word: str, named: set[str] | None, is_new: bool) -> bool:
    """Whether a word may be one; what is added below `agent` is looked at with its class.

    `named` are the words of the agent's file: none where the command has no agent.
    """
    if word.startswith("hydra.") or "/" in word:
        return True
    below_agent = named != set() and word.startswith("agent.")
    if is_known(settings, word) and not below_agent:
        return True
    if is_new or named is None:  # another's file, which may have words of its own
        return below_agent or not is_new
    return bool({word, f"{word}."} & named) or any(
        one.endswith(".") and word.startswith(one) for one in named
    )


def with_added(arguments: Sequence[str], error: Exception) -> list[str] | None:
    """The arguments with `++` before one that Hydra refuses and the class of its table takes.

    Args:
        arguments: as Hydra was given them.
        error: why it cannot compose them.

    Returns:
        None where the error is another one.
    """
    word = _override_of(error).partition("=")[0]
    given = [argument for argument in arguments if argument.startswith(f"{word}=")]
    table = getattr(error.__cause__, "parent_node", None)
    if not given or not word.startswith("agent.") or not isinstance(table, Mapping):
        return None
    names = argument_names(str(table.get("_target_", "")))
    if word.rpartition(".")[2] not in (names or ()):
        return None
    return [f"++{argument}" if argument in given else argument for argument in arguments]


def _override_of(error: Exception) -> str:
    """The argument that Hydra cannot compose; "" where it names none."""
    said = _OVERRIDE.search(str(error))
    return str(getattr(error, "override", None) or (said and (said[1] or said[2])) or "")


def composing_error(settings: type[Settings], error: Exception) -> UsageError:
    """What Hydra says of arguments that it cannot compose, in our words where there are any."""
    folder = _NO_FOLDER.search(str(error))
    if folder:
        return UsageError(f"--config-dir {folder[1]}: no such folder", "check the path")
    override = _override_of(error)
    key, _, value = override.partition("=")
    word = key.lstrip("+~")
    cause = error.__cause__
    fields = {field.word: field for field in all_fields(settings)}
    if word in fields and type(cause).__name__ == "ValidationError":
        return wrong(fields[word], None if value == "null" else value)
    if type(cause).__name__ in ("ConfigAttributeError", "ConfigKeyError") and override:
        return _no_such_key(settings, word, getattr(cause, "parent_node", None))
    missing = str(getattr(error, "missing_cfg_file", None) or "")
    if "/" in missing:
        return _no_such_file(missing, list(getattr(error, "options", None) or ()))
    return _in_hydras_words(error, override)


def _no_such_key(settings: type[Settings], word: str, table: Any) -> UsageError:
    """The error of a word that no setting has; those of an agent's own file are known by now."""
    above = word.rpartition(".")[0]
    if above != "agent" or not isinstance(table, Mapping):
        return unknown(settings, word)
    known = [str(key) for key in table if not str(key).startswith("_")]
    hint = f"the agent's file has {', '.join(known) or 'no arguments'}; +{word}= adds one"
    near = did_you_mean(word.removeprefix("agent."), known, hint, "agent.{}=")
    return UsageError(f"{shown(word)}= is unknown", near)


def _no_such_file(missing: str, options: list[str]) -> UsageError:
    group, _, name = missing.rpartition("/")
    noun = {"agent": "agent", "train_test_split": "split"}.get(group, "file")
    hint = f"one of {', '.join(options)};"
    if group == "agent":
        hint += " --config-dir DIR finds one of your own, DIR/agent/NAME.yaml"
    offered = any(option.startswith(_DEVKIT) for option in options)
    if offered or not name.startswith(_DEVKIT):
        hint = did_you_mean(name, options, hint, group + "={}")
    faulty = _devkit_fault() if group in ("agent", "train_test_split") else ""
    if faulty:
        hint = f"{hint} {faulty}"
    elif group == "train_test_split" and not offered:
        hint = f"{hint} {_SPLITS}"
    return UsageError(f"{group}={name}: there is no such {noun}", hint.removesuffix(";"))


def _devkit_fault() -> str:
    """Why NAVSIM_DEVKIT_ROOT offers nothing; "" where it is not set, or names a checkout."""
    # Hydra's plugin, which has been loaded where a group is composed, and not before
    from hydra_plugins.reworld_searchpath import DEVKIT_CONFIGS, DEVKIT_ROOT  # noqa: PLC0415

    named = os.environ.get(DEVKIT_ROOT)
    if not named or (Path(named) / DEVKIT_CONFIGS).is_dir():
        return ""
    found = [folder for folder in (*Path(named).parents, *_below(Path(named))) if folder.name]
    right = next((folder for folder in found if (folder / DEVKIT_CONFIGS).is_dir()), None)
    fix = f"set {DEVKIT_ROOT}={shown(right)}" if right else "name the folder that holds navsim/"
    return f"{DEVKIT_ROOT}={shown(named)} is no checkout of the devkit: {fix}"


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_dir())


def _in_hydras_words(error: Exception, override: str) -> UsageError:
    text = str(error).partition("Config search path:")[0]
    lines = [line for line in text.splitlines() if not line.startswith("See https://")]
    if error.__cause__ is not None and str(error.__cause__) not in ("", "None"):
        lines.append(str(error.__cause__).splitlines()[0])
    said = " ".join(" ".join(line.split()) for line in lines if line.strip())
    if override not in said:
        said = f"{override}: {said}"
    hint = (
        "--help and --cfg job show the settings; a value with = , { or a space has its own quotes:"
    )
    return UsageError(said, f"{hint} {_QUOTES}")

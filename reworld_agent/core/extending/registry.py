"""Implementations of one kind, by name: built in, registered, installed, or named by their path.

    CODECS: Registry[CodecBuilder] = Registry("codec", {"box": "package.box_codec:BoxCodec"})

A name is looked for, in this order, among

1. what code has registered (`CODECS.register("box", BoxCodec)`), in modules that were imported or
   that `REWORLD_PLUGINS` names,
2. what is built in, imported when it is first asked for: to list names imports nothing,
3. the entry points of installed packages, group `reworld_agent.<kind>`,
4. and, where it has a colon, as `package.module:name` on the Python path.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar

from reworld_agent.core.errors import ConfigError, UsageError
from reworld_agent.core.extending.plugins import installed, load_plugins, plugin_modules
from reworld_agent.core.extras import EXTRA_OF, not_installed
from reworld_agent.core.settings import did_you_mean

T = TypeVar("T")

# Every kind of implementation that may come from outside, and where its registry stands. A page in
# docs/extending says how one is added.
REGISTRIES = {
    "backbone": "reworld_agent.video.backbones:BACKBONES",
    "clip_source": "reworld_agent.clips.sources:CLIP_SOURCES",
    "codec": "reworld_agent.video.codecs:CODECS",
    "objective": "reworld_agent.objectives.baselines:OBJECTIVES",
    "planner_head": "reworld_agent.planner.heads:PLANNER_HEADS",
    "term": "reworld_agent.objectives.terms:TERMS",
}


class Registry(Generic[T]):
    """The implementations of one Protocol.

    Args:
        kind: what they are; also names the group of entry points.
        builtin: path `package.module:name` of what is built in, by name.
    """

    def __init__(self, kind: str, builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self._builtin = dict(builtin)
        self._registered: dict[str, T] = {}

    def register(self, name: str, implementation: T) -> None:
        """Make an implementation known to this process under a name.

        Raises:
            ConfigError: the name has a colon, or is that of another implementation.
        """
        if is_path(name):
            raise ConfigError(f"{self.kind} {name}: a name has no colon", "choose a plain name")
        if name in self._builtin or self._registered.get(name, implementation) != implementation:
            raise ConfigError(f"there is a {self.kind} {name} already", "choose another name")
        self._registered[name] = implementation

    def names(self) -> tuple[str, ...]:
        """All names: built in, then those that code or installed packages have added."""
        load_plugins()
        added = {*self._registered, *installed(self.kind)} - set(self._builtin)
        return (*self._builtin, *sorted(added))

    def is_builtin(self, name: str) -> bool:
        """True for an implementation of the package itself."""
        return name in self._builtin

    def require(self, name: str, setting: str) -> None:
        """Raise UsageError where no implementation has this name; none is imported for it.

        Args:
            name: a name, or a path `package.module:name`, which is believed until `get`.
            setting: whose value it is, for the message.
        """
        if name in self._registered or name in self._builtin or is_path(name):
            return
        known = self.names()
        if name not in known:
            names = " | ".join((*known, "package.module:name of your own"))
            otherwise = f"use {setting} = {names}"
            hint = did_you_mean(name, known, otherwise, setting + "={}")
            raise UsageError(f"{setting}={name} does not exist", hint)

    def get(self, name: str, setting: str) -> T:
        """The implementation of a name; see `require` for the arguments.

        Raises:
            UsageError: there is none.
            ConfigError: its module cannot be imported (says why).
        """
        self.require(name, setting)
        if name in self._registered:
            return self._registered[name]
        path = self._builtin.get(name, name)
        if not is_path(path):
            path = installed(self.kind)[name].value
        found: T = load_object(path, f"{setting}={name}")
        return found


def is_path(name: str) -> bool:
    """True for `package.module:name`, False for a plain name."""
    return ":" in name


def is_trusted(path: str) -> bool:
    """Whether `REWORLD_PLUGINS` names the module of `package.module:name`.

    A path that the user writes is his own. One that stands in a file from elsewhere, such as the
    configuration beside downloaded weights, is used only where he has said so.
    """
    return path.partition(":")[0] in plugin_modules()


def registry_of(kind: str) -> Registry[Any]:
    """The registry of a kind, a key of REGISTRIES."""
    registry: Registry[Any] = load_object(REGISTRIES[kind], kind)
    return registry


def load_object(path: str, what: str) -> Any:
    """The object that `package.module:name` names; the name may have dots.

    Args:
        path: of the object.
        what: begins the message of an error.

    Raises:
        UsageError: there is no such module or name.
        ReWorldError: the module needs a library of an extra that is not installed.
        ConfigError: its own import fails otherwise (says why).
    """
    module_name, _, name = path.partition(":")
    try:
        found: Any = import_module(module_name)
    except Exception as error:  # whatever a module of another's raises is its reason
        missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
        if missing.partition(".")[0] in EXTRA_OF:
            raise not_installed(missing) from error
        if missing and f"{module_name}.".startswith(f"{missing}."):
            message = f"{what}: there is no module {missing}"
            hint = "write package.module:name; its folder must be installed or on PYTHONPATH"
            raise UsageError(message, hint) from error
        message = f"{what}: {module_name} cannot be imported ({type(error).__name__}: {error})"
        raise ConfigError(message, "correct that module, or install what it needs") from error
    for part in name.split("."):
        if not hasattr(found, part):
            hint = did_you_mean(part, dir(found), "write package.module:name")
            raise UsageError(f"{what}: {module_name} has no {part}", hint)
        found = getattr(found, part)
    return found

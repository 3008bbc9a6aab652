"""Which agent is evaluated or trained: its name, its class and what the class is given."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reworld_agent.core.errors import UsageError
from reworld_agent.core.setting_paths import require
from reworld_agent.core.settings import did_you_mean
from reworld_agent.core.signatures import absent, argument_names

_WEIGHTS = "checkpoint_path"  # as every agent of the devkit that has weights names it
_FIND = "_target_ is package.module.Class; its package is installed, or its folder on PYTHONPATH"


@dataclass(frozen=True)
class AgentChoice:
    """An agent of the group `agent`.

    Attributes:
        name: for tables and folders.
        config: `_target_`, the class, and its arguments; nested ones may have `_target_` too.

    Raises:
        UsageError: no class is named, there is none of that name, or it takes no argument of a
            given name.
    """

    name: str
    config: Mapping[str, Any]

    def __post_init__(self) -> None:
        """See the class; its source is read, and nothing imported."""
        fault, known_classes = absent(self.target)
        if fault:
            hint = did_you_mean(self.target, known_classes, _FIND)
            raise UsageError(f"the agent '{self.name}' cannot be built: {fault}", hint)
        known = argument_names(self.target)
        if known is None:
            return
        for key in self.config:
            if not key.startswith("_") and key not in known:
                usual = f"it takes {', '.join(known) or 'none'}"
                message = f"agent.{key}= is not an argument of {self.target}"
                raise UsageError(message, did_you_mean(key, known, usual, "agent.{}="))

    def require_weights(self) -> None:
        """Raise UsageError where `checkpoint_path` names nothing on this machine."""
        path = self.config.get(_WEIGHTS)
        if isinstance(path, str) and path and "://" not in path:
            require(f"agent.{_WEIGHTS}", Path(path), "any")

    @property
    def target(self) -> str:
        """The class, `package.module.Class`."""
        target = self.config.get("_target_")
        if not target:
            hint = "name its class: _target_: package.module.Class"
            raise UsageError("the settings of the agent have no agent._target_", hint)
        return str(target)

    def arguments(self, but: Container[str] = ()) -> dict[str, Any]:
        """What its plans depend on beside its weights, as JSON holds it; objects by their class.

        Args:
            but: names that are left out.
        """
        given = {key: value for key, value in self.config.items() if key not in but}
        text = json.dumps(given, default=lambda value: type(value).__qualname__, sort_keys=True)
        return dict(json.loads(text))

    def given(self, **arguments: Any) -> AgentChoice:
        """The same agent with other arguments."""
        return AgentChoice(self.name, {**self.config, **arguments})


def read_agent(value: Any) -> AgentChoice:
    """An `AgentChoice`, or one of a mapping with `_target_`, named after its class."""
    if isinstance(value, AgentChoice):
        return value
    if not isinstance(value, Mapping):
        raise UsageError(f"agent={value} must be an agent", "give _target_ and its arguments")
    name = str(value.get("_target_", "agent")).rpartition(".")[2]
    return AgentChoice(name, dict(value))


def chosen_agent(value: Any, choices: Mapping[str, str] | None) -> AgentChoice:
    """The agent of a composed configuration, named after its file.

    Args:
        value: of `agent` there.
        choices: names of the files that were chosen for the configuration's groups; without one
            for `agent` it is named after its class.
    """
    agent = read_agent(value)
    return AgentChoice((choices or {}).get("agent") or agent.name, agent.config)

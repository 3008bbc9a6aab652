"""`stage=3` on the command line of any host: the Hydra callback that merges a stage's settings.

A config group cannot be chosen by an integer (`stage=3` is an error in Hydra), and the devkit's
`_self_` comes last, so that a group could not override its trainer settings anyway. Hence `stage`
is an ordinary key, and this callback, declared in `agent/reworld.yaml`, merges
`reworld_stages/<stage>.yaml` into the config before the program starts, then re-applies the
command line, which always wins.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from reworld_agent.errors import ConfigError

STAGES = ("1", "planner", "2", "3")
RECIPES = ("paper", "release")
MODELS = ("tiny", "paper")


def check_choice(key: str, value: Any, known: tuple[str, ...]) -> str:
    """The value as a string; raises ConfigError in one line when it is not one of `known`."""
    if str(value) not in known:
        raise ConfigError(f"{key}={value} does not exist", f"use {key}=" + " | ".join(known))
    return str(value)


def load_stage_settings(stage: str) -> DictConfig:
    """Host settings (trainer, dataloader) of one stage, as shipped in `navsim_configs`."""
    name = check_choice("stage", stage, STAGES)
    file = resources.files("navsim_configs").joinpath("reworld_stages", f"{name}.yaml")
    settings = OmegaConf.create(file.read_text(encoding="utf-8"))
    assert isinstance(settings, DictConfig)
    return settings


class StageCallback(Callback):
    """Merges the settings of one stage into the config of whichever program runs.

    Hydra swallows what a callback's methods raise, but not what its constructor raises: every
    mistake is found there, and ends the program with one line.
    """

    def __init__(self, stage: Any, recipe: str = "paper", model: str = "tiny") -> None:
        try:
            self.stage = check_choice("stage", stage, STAGES)
            check_choice("recipe", recipe, RECIPES)
            check_choice("model", model, MODELS)
            self.settings = load_stage_settings(self.stage)
        except ConfigError as error:
            raise SystemExit(f"error: {error}") from None

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Hydra's hook, called once before the program's own main."""
        try:
            self.merge(config)
        except Exception as error:
            raise SystemExit(f"error: stage {self.stage} could not be applied: {error}") from error

    def merge(self, config: DictConfig) -> None:
        """Merge into the blocks that this program has, mark the stage, re-apply the user's words."""
        with read_write(config), open_dict(config):
            for block in self.settings:
                if block in config:
                    config[block] = OmegaConf.merge(config[block], self.settings[block])
            config.agent.stage_applied = self.stage
            config.agent.purpose = "train" if "trainer" in config else "plan"
            overrides = [o.lstrip("+") for o in config.hydra.overrides.task]
            config.merge_with_dotlist([o for o in overrides if _is_plain(o, config)])


def _is_plain(override: str, config: DictConfig) -> bool:
    """True for `a.b=c`; group choices, `~a` and `a@b=` were Hydra's to apply."""
    key = override.split("=", 1)[0]
    return not key.startswith("~") and "@" not in key and key not in config.hydra.runtime.choices

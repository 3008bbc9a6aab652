"""`stage=3` on the command line of any host: the Hydra callback that applies a stage.

A config group cannot be chosen by an integer (`stage=3` is an error in Hydra), and the devkit's
`_self_` comes last, so that a group could not override its trainer settings anyway. Hence `stage`
is an ordinary key, and this callback, declared in `agent/reworld.yaml`, merges the stage's steps,
batch size and clipping into the host's own blocks before the program starts, then re-applies the
command line, which always wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from reworld_agent.core.errors import ConfigError, ReWorldError
from reworld_agent.training.choices import read_model, read_overrides
from reworld_agent.training.stages import TrainingStage, load_stage
from reworld_agent.training.table2_protocol import table2_stage


def host_settings(stage: TrainingStage) -> dict[str, Any]:
    """The stage under the names of the hosts' configs (`trainer.params` are Lightning's)."""
    return {
        "trainer": {
            "params": {
                "max_steps": stage.steps,
                "max_epochs": -1,
                "gradient_clip_val": stage.gradient_clip,
            }
        },
        "dataloader": {"params": {"batch_size": stage.batch_size}},
    }


def plain_overrides(given: Any) -> Mapping[str, Any]:
    """`agent.overrides` as plain dictionaries and lists; UsageError where it is no table."""
    return read_overrides(_plain(given))


def _plain(given: Any) -> Any:
    return OmegaConf.to_container(given, resolve=True) if OmegaConf.is_config(given) else given


class StageCallback(Callback):
    """Applies one stage to the config of whichever program runs.

    Hydra swallows what a callback's methods raise, but not what its constructor raises: every
    mistake is found there, and ends the program with one line.
    """

    def __init__(
        self,
        stage: Any,
        recipe: str = "paper",
        model: str = "tiny",
        overrides: Any = None,
        model_overrides: Any = None,
        method: Any = None,
    ) -> None:
        try:
            changes = read_model(_plain(model_overrides))
            more = plain_overrides(overrides), changes, method
            self.stage = load_stage(stage, recipe, model, *more)
        except ConfigError as error:
            raise SystemExit(f"error: {error}") from None

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Hydra's hook, called once before the program's own main."""
        try:
            self.merge(config)
            if self.stage.needs_future_images and _reads_logs_itself(config):
                # every Hydra program with agent=reworld comes here; few read data, with torch
                from reworld_agent.training.datasets.future_images import (  # noqa: PLC0415
                    check_host_config,
                )

                check_host_config(config)
        except ReWorldError as error:
            raise SystemExit(f"error: {error}") from None
        except Exception as error:
            message = f"error: stage {self.stage.name} could not be applied: {error}"
            raise SystemExit(message) from error

    def merge(self, config: DictConfig) -> None:
        """Merge into the blocks of this program, mark the stage, apply its arguments again."""
        stage = self._stage(config)
        with read_write(config), open_dict(config):
            for block, settings in host_settings(stage).items():
                if block in config and not _shares_batches(block, config):
                    config[block] = OmegaConf.merge(config[block], settings)
            config.agent.stage_applied = stage.name
            config.agent.purpose = "train" if "dataloader" in config else "plan"
            for override in OverridesParser.create().parse_overrides(config.hydra.overrides.task):
                if _is_value(override, config):
                    key, value = override.key_or_group, override.value()
                    OmegaConf.update(config, key, value, merge=True)

    def _stage(self, config: DictConfig) -> TrainingStage:
        """The stage; where a program has a key `protocol` that says so, with Table 2's numbers."""
        if config.get("protocol") != "table2" or self.stage.name != "1":
            return self.stage
        return table2_stage(str(config.agent.model), plain_overrides(config.agent.overrides))


def _reads_logs_itself(config: DictConfig) -> bool:
    """True for a training program whose config says where logs lie: the devkit's."""
    return "dataloader" in config and bool(config.get("navsim_log_path"))


def _shares_batches(block: str, config: DictConfig) -> bool:
    """True for the loader of a host that shares a stage's batch out to its processes itself.

    Ours says so by a batch size of null; the devkit's, with a number of its own, knows none of the
    stage's, and every process of it takes as many.
    """
    return block == "dataloader" and config.dataloader.params.get("batch_size", 0) is None


def _is_value(override: Override, config: DictConfig) -> bool:
    """True for `a.b=c`; group choices, `~a` and `a@b=` were Hydra's to apply."""
    chosen = override.package is not None or override.key_or_group in config.hydra.runtime.choices
    return not override.is_delete() and not chosen

"""Hydra's callback that refuses settings before anything is written."""

from __future__ import annotations

from typing import Any

from hydra.experimental.callback import Callback

from reworld_agent.cli import tree
from reworld_agent.cli.command import report_error
from reworld_agent.cli.hydra_command import HydraCommand
from reworld_agent.core.configs import UnresolvedError
from reworld_agent.core.errors import ReWorldError


class CheckSettings(Callback):
    """Makes the settings of a command, which are made again when its job runs.

    Hydra swallows what a callback raises, except for the end of the process.

    Args:
        command: name of the command that has composed the configuration.
    """

    def __init__(self, command: str) -> None:
        self.command = tree.load(command)

    def on_run_start(self, config: Any, **kwargs: Any) -> None:
        """Hydra's hook, called before the folder of the run is made."""
        assert isinstance(self.command, HydraCommand)
        try:
            self.command.settings_of(config, config.hydra.runtime.choices)
        except UnresolvedError:
            return  # it may be there when the job runs
        except ReWorldError as error:
            raise SystemExit(report_error(error)) from error

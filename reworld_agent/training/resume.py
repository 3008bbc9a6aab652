"""Going on with a run that was cut short, in the same output folder and with the same settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from reworld_agent.disk import write_atomically
from reworld_agent.errors import ConfigError, WeightsError
from reworld_agent.weights_io import config_difference

RECORD = "run.json"
CHECKPOINT = Path("checkpoints") / "last.ckpt"
STOPPED = CHECKPOINT.with_name("stopped.ckpt")  # where a loss that is not finite ended a run


def check_record(output: Path, settings: dict[str, Any]) -> None:
    """Note the settings of a new run; raise ConfigError where an unfinished one had others.

    All processes of a run do this at once: none may read what another has half written.
    """
    file = output / RECORD
    settings = json.loads(json.dumps(settings))
    if (output / CHECKPOINT).is_file() and file.is_file():
        known = json.loads(file.read_text(encoding="utf-8"))
        changes = config_difference(settings, known)
        if changes:
            raise ConfigError(
                f"{output} holds an unfinished run with other settings: "
                + "; ".join(changes).replace("weights have", "it has"),
                "choose another output_dir, or set resume=false to start over there",
            )
    text = json.dumps(settings, indent=1) + "\n"
    write_atomically(file, lambda partial: partial.write_text(text, encoding="utf-8"))


def finished_steps(checkpoint: Path) -> int:
    """Optimiser steps behind a Lightning checkpoint; WeightsError where it is damaged."""
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        return int(content["global_step"])
    except Exception as error:  # a file cut short makes torch raise nearly anything
        message = f"{checkpoint} is no readable checkpoint: {error}"
        raise WeightsError(message, "set resume=false to start over") from error

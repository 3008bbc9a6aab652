"""Going on with a run that was cut short, in the same output folder and with the same settings.

A run that is finished is not gone on with, and not done again unless that is asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_only

from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import ConfigError, WeightsError
from reworld_agent.model.weights_folder import config_difference

RECORD = "run.json"
FINISHED = "finished"  # key of the record: what a run that came to its end has written
CHECKPOINT = Path("checkpoints") / "last.ckpt"
STOPPED = CHECKPOINT.with_name("stopped.ckpt")  # where a loss that is not finite ended a run


@dataclass(frozen=True)
class Standing:
    """Where a run stands in its folder before it starts.

    Attributes:
        checkpoint: that it goes on from; None = it starts at step 0.
        finished: weights of the same run, which is done already; None = it is not.
    """

    checkpoint: Path | None = None
    finished: Path | None = None


def standing(output: Path, settings: dict[str, Any], resume: bool = True) -> Standing:
    """Where a run stands; the settings of one that is not finished are noted.

    All processes of a run do this at once: none may read what another has half written, and where
    the run is finished none writes.

    Args:
        output: its folder.
        settings: all that its weights depend on.
        resume: False = from the start, whatever lies there.

    Raises:
        ConfigError: the run there had other settings.
        WeightsError: its record is damaged.
    """
    settings = json.loads(json.dumps(settings))
    if not resume:
        (output / CHECKPOINT).unlink(missing_ok=True)
    known = _read(output / RECORD) if resume else {}
    name = known.pop(FINISHED, None)
    weights = output / name if name and (output / name).exists() else None
    unfinished = output / CHECKPOINT if (output / CHECKPOINT).is_file() else None
    changes = config_difference(settings, known) if known and (weights or unfinished) else []
    if changes:
        raise ConfigError(
            f"{output} holds {'a finished' if weights else 'an unfinished'} run with other "
            "settings: " + "; ".join(changes).replace("weights have", "it has"),
            "choose another output_dir, or set resume=false to start over there",
        )
    if known and weights is not None:
        return Standing(finished=weights)
    _write(output / RECORD, settings)
    return Standing(checkpoint=unfinished)


def is_finished(output: Path) -> bool:
    """Whether the record of a folder says that its run came to its end."""
    return FINISHED in _read(output / RECORD)


def finish(output: Path, weights: str) -> None:
    """Note that a run came to its end; `weights` is the name of what it wrote into its folder."""
    _write(output / RECORD, {**_read(output / RECORD), FINISHED: weights})
    (output / CHECKPOINT).unlink(missing_ok=True)


@rank_zero_only
def say_finished(title: str, weights: Path) -> None:
    """Tell that there is nothing to do, and how to do it all the same."""
    print(f"{title} is done already: {weights}")
    print("  next: resume=false trains it anew, another output_dir beside it")


def _read(file: Path) -> dict[str, Any]:
    """A record; empty where there is none."""
    if not file.is_file():
        return {}
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise WeightsError(
            f"{file} is damaged: {error}", "set resume=false to start over"
        ) from error


def _write(file: Path, record: dict[str, Any]) -> None:
    text = json.dumps(record, indent=1) + "\n"
    write_atomically(file, lambda partial: partial.write_text(text, encoding="utf-8"))


def finished_steps(checkpoint: Path) -> int:
    """Optimiser steps behind a Lightning checkpoint; WeightsError where it is damaged."""
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        return int(content["global_step"])
    except Exception as error:  # a file cut short makes torch raise nearly anything
        message = f"{checkpoint} is no readable checkpoint: {error}"
        raise WeightsError(message, "set resume=false to start over") from error

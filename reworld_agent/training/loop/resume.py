"""Going on with a run that was cut short, in the same output folder and with the same settings.

A run that is finished is not gone on with, and not done again unless that is asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reworld_agent.core.errors import WeightsError
from reworld_agent.core.records import parse_json, write_record
from reworld_agent.model.tensor_files import check_body
from reworld_agent.training.loop.parallel import world_size
from reworld_agent.training.loop.records import (
    CHECKPOINT,
    FINISHED,
    RECORD,
    known_record,
    refuse_changes,
    settings_record,
)
from reworld_agent.training.stages import TrainingStage
from reworld_agent.training.train_run import TrainRun

STOPPED = CHECKPOINT.with_name("stopped.ckpt")  # where a loss that is not finite ended a run


@dataclass(frozen=True)
class Trained:
    """What a training gives.

    Attributes:
        title: what was trained, for messages.
        weights: folder or file.
        earlier: an earlier run in the same folder had trained them: nothing was done.
        is_first: this is the first of several processes, and tells of it.
    """

    title: str
    weights: Path
    earlier: bool
    is_first: bool


@dataclass(frozen=True)
class ResumeState:
    """Where a run stands in its folder before it starts.

    Attributes:
        checkpoint: that it goes on from; None = it starts at step 0.
        finished: weights of the same run, which is done already; None = it is not.
    """

    checkpoint: Path | None = None
    finished: Path | None = None

    @property
    def steps(self) -> int:
        """Optimiser steps behind it; WeightsError where the checkpoint is damaged."""
        return 0 if self.checkpoint is None else finished_steps(self.checkpoint)


def resume_state(output: Path, settings: dict[str, Any], resume: bool = True) -> ResumeState:
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
    settings = parse_json(json.dumps(settings).encode())
    if not resume:
        (output / CHECKPOINT).unlink(missing_ok=True)
    known = known_record(output / RECORD) if resume else {}
    name = known.pop(FINISHED, None)
    weights = output / str(name) if name is not None and (output / str(name)).exists() else None
    unfinished = output / CHECKPOINT if (output / CHECKPOINT).is_file() else None
    if known and (weights or unfinished):
        refuse_changes(output, settings, known, weights is not None)
    if known and weights is not None:
        return ResumeState(finished=weights)
    write_record(output / RECORD, settings)
    return ResumeState(checkpoint=unfinished)


def stage_record(settings: TrainRun, stage: TrainingStage, same: dict[str, Any]) -> dict[str, Any]:
    """What must be the same in both halves of a run.

    Args:
        settings, stage: of the run.
        same: what else must be.
    """
    processes = {"processes": world_size(settings.trainer)}
    return settings_record(settings, stage) | processes | same


def finish(output: Path, weights: str) -> None:
    """Note that a run came to its end; `weights` is the name of what it wrote into its folder."""
    write_record(output / RECORD, {**known_record(output / RECORD), FINISHED: weights})
    (output / CHECKPOINT).unlink(missing_ok=True)


def finished_steps(checkpoint: Path) -> int:
    """Optimiser steps behind a Lightning checkpoint; WeightsError where it is damaged."""
    try:
        check_body(checkpoint)
        content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        return int(content["global_step"])
    except Exception as error:  # a file cut short makes torch raise nearly anything
        message = f"{checkpoint} is no readable checkpoint: {error}"
        raise WeightsError(message, "set resume=false to start over") from error

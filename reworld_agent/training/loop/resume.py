"""Going on with a run that was cut short, in the same output folder and with the same settings.

A run that is finished is not gone on with, and not done again unless that is asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reworld_agent.core.errors import ConfigError, WeightsError
from reworld_agent.core.records import as_shown, parse_json, read_record, write_record
from reworld_agent.core.text import is_file_name
from reworld_agent.model.tensor_files import check_body
from reworld_agent.model.weights_folder import config_difference
from reworld_agent.training.loop.parallel import world_size
from reworld_agent.training.stages import TrainingStage, stage_table
from reworld_agent.training.train_run import TrainRun

RECORD = "run.json"
FINISHED = "finished"  # key of the record: what a run that came to its end has written
CHECKPOINT = Path("checkpoints") / "last.ckpt"
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
    known = _read(output / RECORD) if resume else {}
    name = known.pop(FINISHED, None)
    weights = output / str(name) if name is not None and (output / str(name)).exists() else None
    unfinished = output / CHECKPOINT if (output / CHECKPOINT).is_file() else None
    if known and (weights or unfinished):
        _refuse_changes(output, settings, known, weights is not None)
    if known and weights is not None:
        return ResumeState(finished=weights)
    write_record(output / RECORD, settings)
    return ResumeState(checkpoint=unfinished)


def check_settings(output: Path, settings: dict[str, Any], resume: bool = True) -> None:
    """Refuse early: see that the run in a folder had these settings, as far as they are known.

    Args:
        output: its folder, to which nothing is written.
        settings: some of those of `resume_state`, known before data is read.
        resume: see there.

    Raises:
        ConfigError, WeightsError: see `resume_state`.
    """
    known = _read(output / RECORD) if resume else {}
    name = known.pop(FINISHED, None)
    is_finished = name is not None and (output / str(name)).exists()
    if known and (is_finished or (output / CHECKPOINT).is_file()):
        wanted = parse_json(json.dumps(settings).encode())
        there = {key: known[key] for key in wanted if key in known}
        _refuse_changes(output, wanted, there, is_finished)


def _refuse_changes(
    output: Path, settings: dict[str, Any], known: dict[str, Any], is_finished: bool
) -> None:
    changes = config_difference(settings, known)
    if changes:
        raise ConfigError(
            f"{output} holds {'a finished' if is_finished else 'an unfinished'} run with other "
            "settings: " + "; ".join(changes).replace("weights have", "it has"),
            "choose another output_dir, or set resume=false to start over there",
        )


def early_record(settings: TrainRun) -> dict[str, Any]:
    """What of `stage_record` is known before anything is built or read."""
    record = stage_record(settings, settings.training_stage, {})
    if settings.trainer.epochs is not None:
        del record["stage"]  # its steps depend on the number of samples
    return record


def stage_record(settings: TrainRun, stage: TrainingStage, same: dict[str, Any]) -> dict[str, Any]:
    """What must be the same in both halves of a run.

    Args:
        settings, stage: of the run.
        same: what else must be.
    """
    clips = settings.clips
    split = settings.train_test_split.data_split
    record: dict[str, Any] = {
        "stage": stage_table(stage),
        "model": settings.model,
        "seed": settings.seed,
        "split": split if clips.index is None else f"{clips.index} {clips.split}",
        "processes": world_size(settings.trainer),
    }
    if stage.weights.repulsion > 0 and settings.hard_negatives.pool is not None:
        record["hard_negatives"] = settings.hard_negatives.under(stage.recipe).as_dict()
    if settings.agent.model_overrides:
        record["model_overrides"] = dict(settings.agent.model_overrides)
    if clips.latents:
        record["latents"] = [str(folder) for folder in clips.latents]
    if settings.text.prompts is not None:
        record |= {"prompts": str(settings.text.prompts), "text": settings.config.video.text}
    if settings.lora.rank is not None:
        record["lora"] = settings.lora.as_dict()
    if settings.fit.optimizer != "adamw":
        record["optimizer"] = settings.fit.optimizer
    return record | same


def is_finished(output: Path) -> bool:
    """Whether the record of a folder says that its run came to its end."""
    return FINISHED in _read(output / RECORD)


def finish(output: Path, weights: str) -> None:
    """Note that a run came to its end; `weights` is the name of what it wrote into its folder."""
    write_record(output / RECORD, {**_read(output / RECORD), FINISHED: weights})
    (output / CHECKPOINT).unlink(missing_ok=True)


def _read(file: Path) -> dict[str, Any]:
    """A record; empty where there is none."""
    if not file.is_file():
        return {}
    fix = "set resume=false to start over"
    record: dict[str, Any] = read_record(file, dict[str, Any], fix, WeightsError)
    name = record.get(FINISHED)
    if name is not None and not (isinstance(name, str) and is_file_name(name)):
        message = f"{file}: {FINISHED} = {as_shown(name)} must be the name of a folder or file"
        raise WeightsError(message, fix)
    return record


def finished_steps(checkpoint: Path) -> int:
    """Optimiser steps behind a Lightning checkpoint; WeightsError where it is damaged."""
    try:
        check_body(checkpoint)
        content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        return int(content["global_step"])
    except Exception as error:  # a file cut short makes torch raise nearly anything
        message = f"{checkpoint} is no readable checkpoint: {error}"
        raise WeightsError(message, "set resume=false to start over") from error

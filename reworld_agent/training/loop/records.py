"""What a run notes of itself in its folder, and which of it a later start must have again.

Torch and Lightning are not needed here: a start with other settings is refused before they are
imported.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reworld_agent.core.errors import ConfigError, WeightsError
from reworld_agent.core.records import as_shown, parse_json, read_record
from reworld_agent.core.text import config_difference, is_file_name
from reworld_agent.training.stages import TrainingStage, stage_table
from reworld_agent.training.train_run import TrainRun

RECORD = "run.json"
FINISHED = "finished"  # key of the record: what a run that came to its end has written
CHECKPOINT = Path("checkpoints") / "last.ckpt"


def check_settings(output: Path, settings: dict[str, Any], resume: bool = True) -> None:
    """Refuse early: see that the run in a folder had these settings, as far as they are known.

    Args:
        output: its folder, to which nothing is written.
        settings: some of those of `resume.resume_state`, known before data is read.
        resume: see there.

    Raises:
        ConfigError, WeightsError: see `resume.resume_state`.
    """
    known = known_record(output / RECORD) if resume else {}
    name = known.pop(FINISHED, None)
    is_finished = name is not None and (output / str(name)).exists()
    if known and (is_finished or (output / CHECKPOINT).is_file()):
        wanted = parse_json(json.dumps(settings).encode())
        there = {key: known[key] for key in wanted if key in known}
        refuse_changes(output, wanted, there, is_finished)


def refuse_changes(
    output: Path, settings: dict[str, Any], known: dict[str, Any], is_finished: bool
) -> None:
    """Raise ConfigError where a run that is known had other settings."""
    changes = config_difference(settings, known)
    if changes:
        raise ConfigError(
            f"{output} holds {'a finished' if is_finished else 'an unfinished'} run with other "
            "settings: " + "; ".join(changes).replace("weights have", "it has"),
            "choose another output_dir, or set resume=false to start over there",
        )


def early_record(settings: TrainRun) -> dict[str, Any]:
    """What of `settings_record` is known before anything is built or read."""
    record = settings_record(settings, settings.training_stage)
    if settings.trainer.epochs is not None:
        del record["stage"]  # its steps depend on the number of samples
    return record


def settings_record(settings: TrainRun, stage: TrainingStage) -> dict[str, Any]:
    """Settings that must be the same in both halves of a run."""
    clips = settings.clips
    split = settings.train_test_split.data_split
    record: dict[str, Any] = {
        "stage": stage_table(stage),
        "model": settings.model,
        "seed": settings.seed,
        "split": split if clips.index is None else f"{clips.index} {clips.split}",
    }
    if stage.needs_negatives and settings.hard_negatives.pool is not None:
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
    return record


def is_finished(output: Path) -> bool:
    """Whether the record of a folder says that its run came to its end."""
    return FINISHED in known_record(output / RECORD)


def known_record(file: Path) -> dict[str, Any]:
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

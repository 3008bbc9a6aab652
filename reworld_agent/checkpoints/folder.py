"""From an ancestor's checkpoint to a weights folder of ours."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from reworld_agent.checkpoints.convert import Converted, Request, convert_checkpoint
from reworld_agent.checkpoints.settings import ConvertSettings
from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.core.atomic import partial_path
from reworld_agent.core.errors import WeightsError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.model import ReWorldModel
from reworld_agent.video.prompts import DROPPED_PROMPT, PLANNER_PROMPT
from reworld_agent.video.text import T5Encoder

# Stages that a converted checkpoint counts as having passed, without and with a planner.
PASSED = {
    "ltx": (["statistics"], ["statistics"]),
    "drivelaw": (["statistics", "1"], ["statistics", "1", "planner"]),
    "reworld": (["statistics", "1"], ["statistics", "1", "planner", "2", "3"]),
}


@one_writer
def convert_to_folder(settings: ConvertSettings) -> Converted:
    """Convert a checkpoint and write the folder; see `convert_checkpoint` for what it raises."""
    request = Request(
        settings.ancestor, settings.source, settings.act, settings.vae, settings.trunk
    )
    config = load_model_config("paper", settings.recipe_used)
    return convert_to(request, config, settings.output_dir, settings.t5, settings.stage)


def convert_to(
    request: Request,
    config: ModelConfig,
    output: Path,
    t5: Path | None = None,
    stage: str = "3",
    progress: bool = True,
) -> Converted:
    """Convert and write the folder, in one step at the end; see `convert` for what it raises."""
    converted = convert_checkpoint(request, config, progress)
    model = converted.model
    model.history = list(PASSED[request.ancestor][converted.planner])
    if converted.planner and request.ancestor == "reworld" and stage == "2":
        model.history.remove("3")
    if converted.planner and config.recipe != "release":
        converted.notes.append(
            "- inputs: those of recipe=paper; this planner was trained on images, latents and "
            "sentences as recipe=release has them (convert with it to plan as its authors do)"
        )
    if t5 is not None:
        embed_sentence(model, t5)
        tokens = cast(Tensor, model.planning_prompt).size(1)
        converted.notes.append(f"- planner's sentence: {tokens} tokens of T5, embedded")
    elif converted.planner:
        converted.notes.append(
            "- planner's sentence: none (no t5= was given), though it was trained on one"
        )
    partial = partial_path(output)
    try:
        model.save_pretrained(partial, converted.notes)
        partial.replace(output)
    except OSError as error:
        raise WeightsError(f"{output} could not be written: {error}", "free disk space") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return converted


def embed_sentence(model: ReWorldModel, t5: Path) -> None:
    """The planner's sentence for planning and, with what stands for a dropped one, for training.

    Of the negative sentence as many tokens count as the sentence itself has: DriveLaW's mask is
    the sentence's for both.
    """
    how, dtype = model.config.prompt, model.video_dit.dtype
    encoder = T5Encoder(t5, how.plan_tokens, masked=how.plan_masked)
    model.planning_prompt = encoder.encode(PLANNER_PROMPT)[None].to(dtype)
    encoder.max_tokens, encoder.masked = how.train_tokens, how.train_masked
    sentence, own = encoder.padded(PLANNER_PROMPT)
    negative, _ = encoder.padded(DROPPED_PROMPT)
    model.training_prompts = torch.stack([sentence[own], negative[own]]).to(dtype)

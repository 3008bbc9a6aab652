"""What happens between two stages: take over the predecessor's weights, freeze, remember."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from pathlib import Path

import torch

from reworld_agent.checkpoints.start import is_start, load_start
from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import WeightsError
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import load_checkpoint, shipped_folder
from reworld_agent.planner.heads import PlannerHead
from reworld_agent.training.stages import STAGES, STATISTICS, TrainingStage
from reworld_agent.video.backbones import VideoBackbone

logger = logging.getLogger(__name__)


def start_model(
    config: ModelConfig, stage: TrainingStage, init_from: str | Path | None = None
) -> ReWorldModel:
    """The model that a stage trains, prepared for it (`prepare_stage`).

    Where it starts from weights, it never has others: they are mapped from their files, which all
    processes of a machine share until they change them. Only a first stage of its own is random.
    """
    fresh = stage.predecessor is None and init_from is None
    with nullcontext() if fresh else torch.device("meta"):
        model = ReWorldModel(config)
    prepare_stage(model, stage, init_from)
    return model


def prepare_stage(
    model: ReWorldModel, stage: TrainingStage, init_from: str | Path | None = None
) -> None:
    """Load what the stage starts from, and set what is trainable.

    Args:
        model: freshly built.
        stage: the stage.
        init_from: a folder of its predecessor; a file of tensors, which does not say what it
            has passed and is taken at its word; or an ancestor's checkpoint (see
            `checkpoints.start`). None takes the shipped weights: all of them where they have
            passed the predecessor; for Stage 1 their closed-form parts.

    Raises:
        WeightsError: the predecessor's weights are missing, or have not passed its stage.
    """
    stage.check(model.config)
    source = _source(model, stage, init_from)
    if stage.predecessor is None and init_from is None:
        model.codec.load_state_dict(source.codec.state_dict())
        model.normaliser.load_state_dict(source.normaliser.state_dict())
        model.history = [STATISTICS]
    else:
        model.load_state_dict(source.state_dict(), assign=model.device.type == "meta")
        for parameter in model.parameters():  # half precision on disk; training is in float32
            parameter.data = parameter.data.float()
        model.history = list(source.history)
    acts = stage.needs_future_images and stage.weights.world_action > 0
    if acts and model.latent_actions is not None:
        model.latent_actions.require_codec(model.codec)
    set_trainable(model, stage)


def _source(
    model: ReWorldModel, stage: TrainingStage, init_from: str | Path | None
) -> ReWorldModel:
    """The loaded weights that the stage starts from, checked to be its predecessor's."""
    place = init_from or shipped_folder(model.config.name)
    needed, hint = stage.needed, stage.where_to_start()
    try:
        closed_form = stage.predecessor is None and init_from is None
        if init_from is not None and is_start(Path(init_from)):
            source = load_start(Path(init_from), model.config)
        else:
            source = load_checkpoint(init_from, model.config, any_recipe=closed_form)
    except WeightsError as error:
        message = f"stage {stage.name} starts from the weights of stage {needed}: {error.message}"
        there = init_from is not None and Path(init_from).exists()
        raise WeightsError(message, error.hint if there else hint) from error
    if init_from is not None and Path(init_from).is_file() and not source.history:
        logger.warning("%s does not say what it has passed: taken to be stage %s", place, needed)
        source.history = _history_of(needed)
    if needed not in source.history:
        passed = ", ".join(source.history) or "nothing"
        raise WeightsError(
            f"stage {stage.name} starts from the weights of stage {needed}, but those at {place} "
            f"have passed {passed}",
            hint,
        )
    return source


def _history_of(stage: str) -> list[str]:
    """The stages up to one."""
    return [STATISTICS, *(STAGES[: STAGES.index(stage) + 1] if stage in STAGES else ())]


def set_trainable(model: ReWorldModel, stage: TrainingStage) -> None:
    """Gradients for the stage's parts alone."""
    model.requires_grad_(False)
    for part in stage.trainable:
        getattr(model, part).requires_grad_(True)
    if "video_dit" in stage.trainable and not stage.needs_future_images:
        # planning never uses them: frozen, or DDP waits for their gradients
        _freeze(model.video_dit, model.video_dit.output_parameters)
    if stage.weights.alignment == 0 or stage.frozen_projectors:
        _freeze(model.action_dit, model.action_dit.alignment_parameters)
    # of action tokens, where there are some: what no loss reaches
    _freeze(model.video_dit, getattr(model.video_dit, "idle_parameters", ()))
    if stage.weights.world_action == 0:
        _freeze(model.video_dit, ("action_out.",))
    model.train()


def _freeze(part: VideoBackbone | PlannerHead, beginnings: tuple[str, ...]) -> None:
    """No gradients for parameters whose names begin so."""
    for name, parameter in part.named_parameters():
        if name.startswith(beginnings):
            parameter.requires_grad_(False)


def finish_stage(model: ReWorldModel, stage: TrainingStage) -> None:
    """Remember that the weights have passed this stage."""
    model.history = [*model.history, stage.name]

"""What happens between two stages: take over the predecessor's weights, freeze, remember."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import torch

from reworld_agent.checkpoints.start import is_start, load_start
from reworld_agent.config import ModelConfig
from reworld_agent.core.atomic import only_process, partial_path
from reworld_agent.core.errors import WeightsError
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import load_checkpoint, shipped_folder
from reworld_agent.planner.heads import PlannerHead
from reworld_agent.training.stages import STAGES, STATISTICS, TrainingStage
from reworld_agent.video.backbones import VideoBackbone

logger = logging.getLogger(__name__)


def start_model(
    config: ModelConfig,
    stage: TrainingStage,
    init_from: str | Path | None = None,
    shared: Path | None = None,
) -> ReWorldModel:
    """The model that a stage trains, prepared for it (`prepare_stage`).

    Where it starts from weights, it never has others: they are mapped from their files, which all
    processes of a machine share until they change them. Only a first stage of its own is random.

    Args:
        config, stage, init_from: see `prepare_stage`.
        shared: a folder on a disk that all processes of a run see, for those random weights: one
            process draws and writes them, and all map them. None = each process draws its own.
    """
    stage.check(config)
    with torch.device("meta"):
        model = ReWorldModel(config)  # refused before anything is read
    source = _source(config, stage, init_from)
    fresh = _is_fresh(stage, init_from)
    if fresh and shared is not None:
        source, fresh = _source(config, stage, _written_once(config, stage, shared)), False
    if fresh:
        with torch.random.fork_rng(devices=()):  # what is drawn later does not depend on it
            model = ReWorldModel(config)
    _take_over(model, source, stage, fresh)
    return model


def _is_fresh(stage: TrainingStage, init_from: str | Path | None) -> bool:
    """Whether a stage takes no more than closed-form parts from what it starts from."""
    return stage.predecessor is None and init_from is None


def _written_once(config: ModelConfig, stage: TrainingStage, folder: Path) -> Path:
    """The folder, with the random weights that torch's seed stands for."""
    with only_process(folder.with_name(f"{folder.name}.lock"), "choose another output_dir"):
        if not folder.is_dir():
            partial = partial_path(folder)
            try:
                notes = [f"Random weights that stage {stage.name} starts from."]
                start_model(config, stage).save_pretrained(partial, notes)
                partial.rename(folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return folder


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
    source = _source(model.config, stage, init_from)
    _take_over(model, source, stage, _is_fresh(stage, init_from))


def _take_over(
    model: ReWorldModel, source: ReWorldModel, stage: TrainingStage, fresh: bool
) -> None:
    """Fill a model from what its stage starts from, and set what is trainable."""
    if fresh:
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
    config: ModelConfig, stage: TrainingStage, init_from: str | Path | None
) -> ReWorldModel:
    """The loaded weights that the stage starts from, checked to be its predecessor's."""
    place = init_from or shipped_folder(config.name)
    needed, hint = stage.needed, stage.where_to_start()
    try:
        closed_form = _is_fresh(stage, init_from)
        if init_from is not None and is_start(Path(init_from)):
            source = load_start(Path(init_from), config)
        else:
            source = load_checkpoint(init_from, config, any_recipe=closed_form)
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

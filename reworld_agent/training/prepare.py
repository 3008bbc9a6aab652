"""What happens between two stages: take over the predecessor's weights, freeze, remember."""

from __future__ import annotations

from pathlib import Path

from reworld_agent.core.errors import WeightsError
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import load_checkpoint, shipped_folder
from reworld_agent.training.stages import TrainingStage

STATISTICS = "statistics"  # the closed-form parts: codec and action normalisation
# Outputs of the Video DiT that planning never uses: frozen there, or DDP waits for gradients.
VIDEO_OUTPUTS = ("proj_out.", "scale_shift_table", "mid_heads.")


def prepare_stage(
    model: ReWorldModel, stage: TrainingStage, init_from: str | Path | None = None
) -> None:
    """Load what the stage starts from, and set what is trainable.

    Args:
        model: freshly built.
        stage: the stage.
        init_from: a folder or `.ckpt` of its predecessor. None takes the shipped weights: all of
            them where they have passed the predecessor; for Stage 1 their closed-form parts.

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
        model.load_state_dict(source.state_dict())
        model.history = list(source.history)
    set_trainable(model, stage)


def _source(
    model: ReWorldModel, stage: TrainingStage, init_from: str | Path | None
) -> ReWorldModel:
    """The loaded weights that the stage starts from, checked to be its predecessor's."""
    place = init_from or shipped_folder(model.config.name)
    needed = stage.predecessor or STATISTICS
    if stage.predecessor is None:
        hint = "fit them: python train/fit_statistics.py output_dir=…, then init_from=that folder"
    else:
        hint = f"run_training.py agent=reworld stage={needed}, then init_from=its weights folder"
    try:
        closed_form = stage.predecessor is None and init_from is None
        source = load_checkpoint(init_from, model.config, any_recipe=closed_form)
    except WeightsError as error:
        message = f"stage {stage.name} starts from the weights of stage {needed}: {error.message}"
        raise WeightsError(message, hint) from error
    if needed not in source.history:
        passed = ", ".join(source.history) or "nothing"
        raise WeightsError(
            f"stage {stage.name} starts from the weights of stage {needed}, but those at {place} "
            f"have passed {passed}",
            hint,
        )
    return source


def set_trainable(model: ReWorldModel, stage: TrainingStage) -> None:
    """Gradients for the stage's parts alone."""
    model.requires_grad_(False)
    for part in stage.trainable:
        getattr(model, part).requires_grad_(True)
    if "video_dit" in stage.trainable and not stage.needs_future_images:
        for name, parameter in model.video_dit.named_parameters():
            if name.startswith(VIDEO_OUTPUTS):
                parameter.requires_grad_(False)
    if stage.weights.alignment == 0:
        model.action_dit.projectors.requires_grad_(False)
    model.train()


def finish_stage(model: ReWorldModel, stage: TrainingStage) -> None:
    """Remember that the weights have passed this stage."""
    model.history = [*model.history, stage.name]

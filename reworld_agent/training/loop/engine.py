"""What every training run has in common: its batches, its checkpoints, Lightning's Trainer."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from reworld_agent.core.errors import UsageError
from reworld_agent.training.datasets.loading import BatchPlan
from reworld_agent.training.loop.callbacks import KeepStopped, SpikeWatch, ValidationTable
from reworld_agent.training.loop.checkpoints import Checkpoints
from reworld_agent.training.loop.parallel import shares, strategy, world_size
from reworld_agent.training.loop.preemption import Preemption, ended_while_waiting
from reworld_agent.training.loop.records import CHECKPOINT
from reworld_agent.training.loop.resume import STOPPED, Trained, finish
from reworld_agent.training.settings import LightningSettings, LoaderSettings, TrainingSettings

VALIDATION = "validation.csv"


def quiet() -> None:
    """Silence Lightning's advertisements, and its warnings about what is meant so here."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    known = (
        "Found .* in eval mode",
        "The number of training batches",
        ".*LeafSpec",
        "You're resum",
        "You defined a `validation_step` but have no",
    )
    for text in (*known, "Checkpoint directory .* exists"):
        warnings.filterwarnings("ignore", message=text)


def batch_plan(
    batch_size: int, steps: int, samples: int, loader: LoaderSettings, trainer: LightningSettings
) -> BatchPlan:
    """Batches of a run that takes `batch_size` of its samples in each step.

    Args:
        batch_size: of a step, over all processes.
        steps: of the run; cut to the trainer's `max_epochs`.
        samples: that there are.
        loader: what one process takes at once.
        trainer: processes.

    Raises:
        ConfigError: the batch cannot be shared out evenly.
    """
    processes = world_size(trainer)
    per_process, accumulate = shares(batch_size, processes, loader.batch_size)
    if trainer.epochs is not None:
        per_epoch = max(1, samples // (per_process * processes * accumulate))
        steps = min(steps, trainer.epochs * per_epoch)
    return BatchPlan(per_process, accumulate, steps)


def fit(trainer: pl.Trainer, module: pl.LightningModule, **given: Any) -> None:
    """Lightning's `fit`, in which an interruption stays one: it makes of it an exit with code 1."""
    try:
        with ended_while_waiting(trainer):
            trainer.fit(module, **given)
    except SystemExit as end:
        if trainer.interrupted:
            came = end.__context__  # Ctrl-C or a scheduler's signal
            raise came if isinstance(came, KeyboardInterrupt) else KeyboardInterrupt from None
        raise


def lightning_trainer(
    params: Mapping[str, Any], where: str = "trainer.params", **ours: Any
) -> pl.Trainer:
    """Lightning's Trainer with a user's settings and ours; UsageError for what it refuses."""
    try:
        return pl.Trainer(**params, **ours)
    except (TypeError, ValueError, RuntimeError, MisconfigurationException) as error:
        reason = str(error).strip().splitlines()[0]
        hint = "they are arguments of Lightning's Trainer: change or leave out this one"
        raise UsageError(f"{where}: {reason}", hint) from error


def check_trainer(settings: LightningSettings) -> None:
    """Raise UsageError for settings that Lightning refuses, before any data is read."""
    lightning_trainer(_arguments(settings), logger=False, enable_model_summary=False)


def _arguments(settings: LightningSettings) -> dict[str, Any]:
    """Lightning's arguments, with the strategy of its name."""
    return {
        **settings.arguments(),
        "strategy": strategy(settings),
    }


def trained_earlier(title: str, weights: Path) -> Trained:
    """The result of a run that is finished already."""
    return Trained(title, weights, earlier=True, is_first=getattr(rank_zero_only, "rank", 0) == 0)


@dataclass(frozen=True)
class Session:
    """A run that is about to train.

    Attributes:
        title: for messages.
        checkpoint: that it goes on from; None = it starts at step 0.
        gradient_clip: norm, where the settings name none; 0 = none.
        length: Lightning's arguments that say how long it trains, and when it validates.
        keepers: save checkpoints.
        weights: name of what its callbacks write into its folder.
    """

    title: str
    checkpoint: Path | None
    gradient_clip: float
    length: Mapping[str, Any]
    keepers: Sequence[Callback]
    weights: str = "weights"


def planned_session(
    title: str,
    plan: BatchPlan,
    checkpoint: Path | None,
    gradient_clip: float,
    settings: TrainingSettings,
    validate: bool,
    weights: str = "weights",
) -> Session:
    """A session of planned batches, one long pass over a stream of samples.

    Validations cut it into equal parts; the last time is its end, or a few steps before.
    """
    every: int | None = None
    length: dict[str, Any] = {"limit_val_batches": 0}
    if validate:
        every = plan.steps // max(1, round(plan.steps / settings.validation.every))
        # None: batches are counted over the whole run
        length = {"val_check_interval": every * plan.accumulate, "check_val_every_n_epoch": None}
    length |= {
        "max_steps": plan.steps,
        "max_epochs": 1,  # of the sample stream, which is as long as the run
        "accumulate_grad_batches": plan.accumulate,
    }
    file = settings.output_dir / CHECKPOINT
    keepers = Checkpoints(file, settings.checkpoint_steps, every), Preemption(file, every)
    return Session(title, checkpoint, gradient_clip, length, keepers, weights)


def train(
    session: Session,
    settings: TrainingSettings,
    module: pl.LightningModule,
    callbacks: Sequence[Callback],
    **data: Any,
) -> Trained:
    """Train to the end, and note that it was reached.

    Args:
        session, settings: of the run.
        module: what is trained.
        callbacks: write the weights when training ends.
        data: `datamodule`, or `train_dataloaders` and `val_dataloaders`, as Lightning takes them.

    Raises:
        NotFiniteError: the loss is; the last checkpoint is kept.
    """
    output = settings.output_dir
    params = {"log_every_n_steps": 10, **_arguments(settings.trainer), **session.length}
    params["gradient_clip_val"] = (
        settings.trainer.gradient_clip_val or session.gradient_clip or None
    )
    trainer = lightning_trainer(
        params,
        default_root_dir=output,
        logger=TensorBoardLogger(output, name="tensorboard", version=""),
        # validation is written down before a checkpoint says that it was done
        callbacks=[*callbacks, *_watchers(output), *session.keepers],
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    fit(trainer, module, ckpt_path=session.checkpoint, **data)
    if trainer.is_global_zero:
        finish(output, session.weights)
    trainer.strategy.barrier()  # the weights are there for whichever process goes on with them
    return Trained(session.title, output / session.weights, False, trainer.is_global_zero)


def _watchers(output: Path) -> list[Callback]:
    """What looks at every run."""
    stopped, table = KeepStopped(output / STOPPED), ValidationTable(output / VALIDATION)
    return [SpikeWatch(), stopped, table]

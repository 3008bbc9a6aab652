"""The training of any agent of NAVSIM on the built-in host."""

from __future__ import annotations

import logging
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, DistributedSampler, Sampler

from reworld_agent.core.guards.parents import begin_loading
from reworld_agent.core.provenance import weights_hash
from reworld_agent.evaluation.agents import build_agent
from reworld_agent.scenes.preflight import preflight
from reworld_agent.scenes.sensors import cameras_of
from reworld_agent.scenes.splits import resolve_split
from reworld_agent.training.agents.module import WEIGHTS, AgentModule, ExportAgent
from reworld_agent.training.agents.samples import AgentSamples, Pair
from reworld_agent.training.agents.settings import AgentTrainRun
from reworld_agent.training.datasets.held_out import (
    HeldOutSampler,
    held_out_logs,
    held_out_scenes,
)
from reworld_agent.training.loop import engine
from reworld_agent.training.loop.checkpoints import EpochCheckpoints
from reworld_agent.training.loop.parallel import loading, world_size
from reworld_agent.training.loop.records import CHECKPOINT, check_settings
from reworld_agent.training.loop.resume import Trained, resume_state

logger = logging.getLogger(__name__)


def run_agent(settings: AgentTrainRun) -> Trained:
    """Train an agent; its weights are in `<output_dir>/agent.ckpt`.

    A run that was cut short goes on from its last whole epoch.

    Raises:
        ReWorldError: whatever the user can fix, before the first step where possible.
    """
    engine.quiet()
    engine.check_trainer(settings.trainer)
    pl.seed_everything(settings.seed, verbose=False)
    agent = build_agent(settings.agent)
    record = _record(settings, agent)
    check_settings(settings.output_dir, record, settings.resume)
    learned, held_out = _samples(settings, agent)
    title = f"agent {settings.agent.name}"
    record["samples"] = len(learned)
    state = resume_state(settings.output_dir, record, settings.resume)
    if state.finished is not None:
        return engine.trained_earlier(title, state.finished)
    batches = -(-len(learned) // (settings.batch_size * world_size(settings.trainer)))
    message = "%s: %d scenes, %d batches an epoch; %d to be validated on"
    logger.info(message, title, len(learned), batches, 0 if held_out is None else len(held_out))
    keeper = EpochCheckpoints(settings.output_dir / CHECKPOINT, settings.checkpoint_steps)
    length = _length(settings, batches, held_out is not None)
    session = engine.Session(title, state.checkpoint, 0.0, length, (keeper,), WEIGHTS)
    data = AgentData(settings, learned, held_out)
    callbacks = [*agent.get_training_callbacks(), ExportAgent()]
    module = AgentModule(agent, settings.seed)
    return engine.train(session, settings, module, callbacks, datamodule=data)


def _samples(settings: AgentTrainRun, agent: Any) -> tuple[AgentSamples, AgentSamples | None]:
    """What is learned from, and what is validated on (None = nothing)."""
    sensors, validation = agent.get_sensor_config(), settings.validation
    trained = settings.train_test_split
    roots = resolve_split(trained.data_split, cameras_of([sensors]))
    loader = roots.loader(trained.scene_filter, sensors)
    preflight(loader, sensors, whole_scene=True, maps=False).raise_if_unusable()
    others = held_out_scenes(validation, trained.data_split, loader.scene_filter, sensors)
    if others is not None:
        preflight(others, sensors, whole_scene=True, maps=False).raise_if_unusable()
        return AgentSamples(agent, loader), AgentSamples(agent, others)
    if not validation.hold_out:
        return AgentSamples(agent, loader), None
    logs = {t: w.log.stem for t, w in loader.scene_frames_dicts.windows.items()}
    apart = held_out_logs(list(logs.values()), validation.hold_out)
    learned = [token for token in loader.tokens if logs[token] not in apart]
    kept = [token for token in loader.tokens if logs[token] in apart]
    watched = AgentSamples(agent, loader, kept) if validation.every else None
    return AgentSamples(agent, loader, learned), watched


def _record(settings: AgentTrainRun, agent: Any) -> dict[str, Any]:
    """What must be the same in both halves of a run, beside the number of samples."""
    trainer = settings.trainer
    return {
        "agent": dict(settings.agent.config),
        "seed": settings.seed,
        "split": settings.train_test_split.data_split,
        "batch_size": settings.batch_size,
        "epochs": settings.epochs,
        "steps": trainer.steps,
        "processes": world_size(trainer),
        "initial_weights": weights_hash(agent),
    }


def _length(settings: AgentTrainRun, batches: int, validate: bool) -> dict[str, Any]:
    """Lightning's arguments: epochs, steps, and an epoch's end nearest to when to validate."""
    steps = settings.trainer.steps or -1
    # steps alone are shown as the epochs that they take
    length: dict[str, Any] = {"max_epochs": settings.epochs or -(-steps // batches)}
    length["max_steps"] = steps
    if validate:
        length["check_val_every_n_epoch"] = max(1, round(settings.validation.every / batches))
    else:
        length["limit_val_batches"] = 0
    return length


class AgentData(LightningDataModule):
    """Shuffled passes over the scenes, and those that are held out, in every process.

    Args:
        settings: of the run.
        learned: what is learned from.
        held_out: what is validated on; None = nothing.
    """

    def __init__(
        self, settings: AgentTrainRun, learned: AgentSamples, held_out: AgentSamples | None
    ) -> None:
        super().__init__()
        self.settings, self.learned, self.held_out = settings, learned, held_out

    def train_dataloader(self) -> DataLoader[Pair]:
        """The order is a function of seed and epoch, which Lightning tells the sampler."""
        world, rank = self._share()
        sampler: Sampler[int] = DistributedSampler(
            self.learned, world, rank, shuffle=True, seed=self.settings.seed
        )
        return self._loader(self.learned, sampler)

    def val_dataloader(self) -> DataLoader[Pair] | list[Any]:
        """This process's share."""
        if self.held_out is None:
            return []
        world, rank = self._share()
        count = self.settings.validation.samples
        return self._loader(self.held_out, HeldOutSampler(len(self.held_out), count, rank, world))

    def _share(self) -> tuple[int, int]:
        """Processes, and the number of this one."""
        trainer = self.trainer
        return (trainer.world_size, trainer.global_rank) if trainer else (1, 0)

    def _loader(self, samples: AgentSamples, sampler: Sampler[int]) -> DataLoader[Pair]:
        how = loading(self.settings.dataloader, self.settings.trainer)
        return DataLoader(
            samples,
            self.settings.batch_size,
            sampler=sampler,
            num_workers=how.workers,
            pin_memory=how.pinned,
            worker_init_fn=begin_loading,
            persistent_workers=how.workers > 0,  # each keeps the samples that it has built
        )

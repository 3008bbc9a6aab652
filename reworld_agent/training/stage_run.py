"""One training stage: its samples, its model, Lightning, its weights folder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from reworld_agent.core.provenance import code_hash, weights_hash
from reworld_agent.model import ReWorldModel
from reworld_agent.training.choices import PAPER
from reworld_agent.training.datasets.held_out import validation_split
from reworld_agent.training.datasets.loading import Samples, StageData
from reworld_agent.training.datasets.run_samples import run_samples
from reworld_agent.training.loop import engine
from reworld_agent.training.loop.callbacks import ExportWeights, SameCode
from reworld_agent.training.loop.ema import averages
from reworld_agent.training.loop.fitted import stage_module
from reworld_agent.training.loop.parallel import loading, shares, world_size
from reworld_agent.training.loop.records import check_settings, is_finished
from reworld_agent.training.loop.resume import Trained, resume_state, stage_record
from reworld_agent.training.loop.state_cache import CachedLatents, CachedStates, compute_states
from reworld_agent.training.loop.state_store import stored_states
from reworld_agent.training.memory.choose import fitted
from reworld_agent.training.prepare import start_model
from reworld_agent.training.reinforcement.learner import PolicyLearner
from reworld_agent.training.reinforcement.rewards import (
    PlanReward,
    held_out_reward,
    split_caches,
)
from reworld_agent.training.reinforcement.watch import FollowPolicy, RewardWatch
from reworld_agent.training.stages import TrainingStage
from reworld_agent.training.table2.stage import run_table2
from reworld_agent.training.text_source import ABSENT
from reworld_agent.training.train_run import TrainRun

logger = logging.getLogger(__name__)

INITIAL = "initial"  # folder of a run: random weights that its processes start from


def run_stage(settings: TrainRun) -> Trained:
    """Train one stage; its weights are in `<output_dir>/weights`.

    A run that was cut short goes on from its last checkpoint, in the same `output_dir`, and ends
    in the weights that it would have had. A finished one is left alone unless `resume` is false.

    Raises:
        ReWorldError: whatever the user can fix, before the first step where possible.
    """
    engine.quiet()
    settings = settings.replaced(trainer=settings.lightning)
    engine.check_trainer(settings.trainer)
    if settings.of_table2:
        return run_table2(settings)
    drawn = _drawn_weights(settings)
    trained = _train(settings, drawn)
    if drawn is not None and trained.is_first:
        _remove(drawn)
    return trained


def _remove(drawn: Path) -> None:
    """Remove drawn weights and what a killed process left of them; maps of them live on."""
    for path in drawn.parent.glob(f"*{drawn.name}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    with suppress(OSError):  # of a folder that holds something else
        drawn.parent.rmdir()


def _train(settings: TrainRun, drawn: Path | None) -> Trained:
    """See `run_stage`; `drawn`: see `_drawn_weights`."""
    output, resume = settings.output_dir, settings.resume
    check_settings(output, {"processes": world_size(settings.trainer)}, resume)
    settings = fitted(settings)
    pl.seed_everything(settings.seed, verbose=False)
    stage = settings.training_stage
    processes = world_size(settings.trainer)
    stage.check_forward(shares(stage.batch_size, processes, settings.dataloader.batch_size)[0])
    if stage.needs_future_images and stage.recipe == PAPER and settings.text.prompts is None:
        logger.warning(ABSENT, settings.config.video.caption_channels)
    model = start_model(settings.config, stage, settings.agent.init_from, drawn)
    start = weights_hash(model)
    same: dict[str, Any] = {"initial_weights": start}
    check_settings(output, same, resume)
    policy = _policy(settings, stage, model)
    module = stage_module(model, stage, settings.fit, settings.lora, settings.seed, start)
    learned, held_out = run_samples(settings, stage, model)
    plan = engine.batch_plan(
        *(stage.batch_size, stage.steps, len(learned), settings.dataloader, settings.trainer)
    )
    stage = dataclasses.replace(stage, steps=plan.steps)
    same["samples"] = len(learned)
    state = resume_state(output, stage_record(settings, stage, same), resume)
    title = f"stage {stage.name}"
    if state.finished is not None:
        return engine.trained_earlier(title, state.finished)
    plan = dataclasses.replace(plan, done=state.steps)
    message = "%s: %d samples, steps %d to %d; %d to be validated on"
    watched = 0 if held_out is None else len(held_out)
    logger.info(message, title, len(learned), plan.done, plan.steps, watched)
    if stage.cache_states or (stage.cache_latents and settings.clips.index is None):
        learned = _kept(settings, stage, learned, model)
        held_out = None if held_out is None else _kept(settings, stage, held_out, model)
    phases = () if settings.clips.index is None else stage.phases
    load, count = loading(settings.dataloader, settings.trainer), settings.validation.samples
    data = StageData(learned, plan, settings.seed, load, phases, held_out, count)
    session = engine.planned_session(
        *(title, plan, state.checkpoint, stage.gradient_clip, settings, held_out is not None)
    )
    module.stage, module.policy = stage, policy
    callbacks = _callbacks(stage, model)
    if policy is not None:
        callbacks.append(FollowPolicy(policy))
    if policy is not None and held_out is not None:
        callbacks.append(RewardWatch(model, _held_out_reward(settings, policy)))
    return engine.train(session, settings, module, callbacks, datamodule=data)


def _kept(
    settings: TrainRun, stage: TrainingStage, samples: Samples, model: ReWorldModel
) -> Samples:
    """Samples with what a frozen part makes of them in their images' place."""
    if not stage.cache_states:
        return CachedLatents(samples, model)
    if stage.store_states:
        return CachedStates(samples, stored_states(samples, model, settings.cache_path))
    return CachedStates(samples, compute_states(samples, model))


def _drawn_weights(settings: TrainRun) -> Path | None:
    """Where random weights that several processes start from lie until a run is finished.

    Its name says what they depend on, so that nothing of an earlier run is taken for them.
    """
    done = settings.resume and is_finished(settings.output_dir)
    if done or world_size(settings.trainer) == 1:
        return None
    drawn = {"model": settings.config.to_dict(), "seed": settings.seed, "torch": torch.__version__}
    key = hashlib.sha256(json.dumps([drawn, code_hash()], sort_keys=True).encode()).hexdigest()
    return settings.output_dir / INITIAL / key[:12]


def _policy(settings: TrainRun, stage: TrainingStage, model: ReWorldModel) -> PolicyLearner | None:
    """What a stage learns rewards by; made before anything changes the model's planner head."""
    if stage.policy is None:
        return None
    reward = None
    if stage.policy.draws:
        caches = split_caches(settings.train_test_split.data_split)
        reward = PlanReward(stage.policy, caches)
    return PolicyLearner(stage, reward, model)


def _held_out_reward(settings: TrainRun, policy: PolicyLearner) -> PlanReward:
    """The reward in the scenes that a run is validated on."""
    split = validation_split(settings.validation, settings.train_test_split.data_split)
    return held_out_reward(policy.policy, split_caches(split))


def _callbacks(stage: TrainingStage, model: ReWorldModel) -> list[Callback]:
    """What writes the weights, and their average where the stage asks for it."""
    return [SameCode(), ExportWeights(model, stage), *averages(model, stage)]

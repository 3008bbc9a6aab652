"""Training stages as data: what is trained, towards what, and how.

The chain is 1 (video) -> planner (pre-training) -> 2 (alignment) -> 3 (repulsion). The numbers
stand in `reworld_agent/config/defaults/stages.yaml`. Stage 4, which the paper does not have, goes
on from any planner that has learned, by a method of `post_training.yaml` beside it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import yaml

from reworld_agent.config import (
    ModelConfig,
    build_dataclass,
    load_model_config,
    shipped_base,
    stage_settings,
)
from reworld_agent.config.fields import merged
from reworld_agent.core.errors import ConfigError, UsageError
from reworld_agent.objectives.terms import TERMS, plan_terms, video_terms
from reworld_agent.scenes.scene import NAVSIM_INTERVAL_LENGTH
from reworld_agent.training.phases import ClipPhase, check_phases
from reworld_agent.training.policy_settings import POST_TRAINING, PolicySettings, method_table

STATISTICS = "statistics"  # passed by the closed-form parts: codec and action normalisation
STAGES = ("1", "planner", "2", "3")  # the paper's
ALL_STAGES = (*STAGES, POST_TRAINING)
RECIPES = ("paper", "release")
_MOST_STEPS = 10**9
PARTS = ("video_dit", "action_dit")
SCHEDULES = ("constant", "cosine")
TIME_MODES = ("token", "frame", "sample")
TIME_DISTRIBUTIONS = ("uniform", "logit_normal", "shifted_logit_normal")
NOISE = "noise"  # a `video_label`: the time that pure noise has, 1
LEAST_SCENES = 8  # of a forward, whose mean stands for that of all scenes


@dataclass(frozen=True)
class LossWeights:
    """Factor of each term; 0 switches a term off. `others`: of terms from outside, by name.

    `world_action` counts where the model has action tokens (RepWAM: 1); with 0 nothing is ever
    known of an action, and nothing learned.
    """

    generation: float = 0.0
    intermediate: float = 0.0
    action_flow: float = 0.0
    alignment: float = 0.0
    repulsion: float = 0.0
    policy: float = 0.0
    world_action: float = 1.0
    others: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        numbers = {f.name for f in dataclasses.fields(self)} - {"others"}
        for name in sorted(numbers):
            if not 0 <= getattr(self, name) < math.inf:
                message = f"weights.{name}={getattr(self, name)}"
                raise UsageError(message, "it must be a finite number of at least 0")
        for name, factor in self.others.items():
            TERMS.require(name, "weights.others")
            if not isinstance(factor, int | float) or not 0 < factor < math.inf:
                message = f"weights.others.{name}={factor}"
                raise UsageError(message, "it must be a finite number above 0")

    def factor(self, name: str) -> float:
        """Of a term, the paper's or another."""
        return self.others[name] if name in self.others else float(getattr(self, name))

    def without(self, name: str) -> LossWeights:
        """The same with one term switched off."""
        if name in self.others:
            others = {other: self.others[other] for other in self.others if other != name}
            return dataclasses.replace(self, others=others)
        off: dict[str, Any] = {name: 0.0}
        return dataclasses.replace(self, **off)


@dataclass(frozen=True)
class TrainingStage:
    """One stage.

    Attributes:
        name, recipe: see STAGES and RECIPES.
        trainable: parts that learn; the others are frozen, in evaluation mode.
        predecessor: the stage whose weights this one starts from.
        weights: factors of the terms.
        steps: optimiser steps; batch_size: scenes per step, over all processes.
        learning_rate, weight_decay, betas: of AdamW; warmup_steps, schedule: of its rate.
        gradient_clip: norm at which gradients are clipped.
        video_times: one time for each `token`, latent `frame` or `sample`.
        noise_share: of the samples of video training whose time is 1 throughout: the joint pure
            noise that planning reads.
        teacher_forcing: of the batches of video training, of a model of chunks: noised chunks see
            earlier ones clean (RepWAM: 1). In the others they see them noised, as planning does,
            which reads states of one forward.
        video_distribution, action_distribution: of the times, see `objectives.flow.draw_times`.
        video_label: the time that the Video DiT is told of the noise in the future's place where
            the stage plans: `noise`, which is 1, or drawn from a distribution (DriveLaW).
        align_blocks: blocks (from 1) of L_align.
        noise_draws: plans denoised for each video forward.
        context_drop: share of scenes planned blind, for guided candidates (see negatives).
        state_drop: share of scenes that plan from the mean of their forward's video states in
            their own's place, where it has LEAST_SCENES or more: the planner then knows what
            scenes have in common, and the gate's line on the mean state asks what it was trained
            for (see training.gate).
        caption_drop: share of scenes that see the negative sentence in their own's place, where
            the weights have both (DriveLaW).
        frozen_projectors: L_align does not train the projectors of `planner.projected_blocks`, as
            the authors' code reads ('action_' in a parameter's name decides what Stage 2 trains).
        repulsion_cap: bound of L_RDE's distance; None = none.
        ema_decay: of averaged weights, saved beside the others; None = none.
        ema_inv_gamma, ema_start: the decay warms up as 1 - (1 + n / ema_inv_gamma)^-.75, n steps
            after `ema_start`; until then the average is the weights themselves.
        cache_states: keep the states of the frozen Video DiT in memory (see state_cache).
        store_states: keep them on disk instead, for further runs too (see state_store).
        cache_latents: keep in memory, of Stage 1 on scenes, the latents of history and future.
        phases: of Stage 1's resolution curriculum; none = the model's clip throughout.
        policy: of Stage 4, how it learns from the score; None = it does not.
    """

    name: str
    recipe: str
    trainable: tuple[str, ...]
    predecessor: str | None
    weights: LossWeights
    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    betas: tuple[float, ...]
    warmup_steps: int
    schedule: str = "constant"
    gradient_clip: float = 1.0
    video_times: str = "token"
    noise_share: float = 0.0
    teacher_forcing: float = 0.0
    video_distribution: str = "uniform"
    action_distribution: str = "uniform"
    video_label: str = NOISE
    align_blocks: tuple[int, ...] = ()
    noise_draws: int = 1
    context_drop: float = 0.0
    state_drop: float = 0.0
    caption_drop: float = 0.0
    frozen_projectors: bool = False
    repulsion_cap: float | None = None
    ema_decay: float | None = None
    ema_inv_gamma: float = 1.0
    ema_start: int = 0
    cache_states: bool = False
    store_states: bool = False
    cache_latents: bool = False
    phases: tuple[ClipPhase, ...] = ()
    policy: PolicySettings | None = None

    def __post_init__(self) -> None:
        choices = {
            "trainable": (self.trainable, PARTS),
            "schedule": ((self.schedule,), SCHEDULES),
            "video_times": ((self.video_times,), TIME_MODES),
            "video_distribution": ((self.video_distribution,), TIME_DISTRIBUTIONS),
            "action_distribution": ((self.action_distribution,), TIME_DISTRIBUTIONS),
            "video_label": ((self.video_label,), (NOISE, *TIME_DISTRIBUTIONS)),
        }
        for key, (values, known) in choices.items():
            for value in values:
                if value not in known:
                    message = f"stage {self.name}: {key}={value} does not exist"
                    raise ConfigError(message, "use " + " | ".join(known))
        for key in (
            "steps",
            "batch_size",
            "learning_rate",
            "noise_draws",
            "gradient_clip",
            "ema_inv_gamma",
        ):
            if not 0 < getattr(self, key) < math.inf:  # nor is NaN
                message = f"stage {self.name}: {key}={getattr(self, key)}"
                raise ConfigError(message, f"{key} must be a finite number above 0")
        limits = {
            "learning_rate": (0.0, 10.0),
            "weight_decay": (0.0, 10.0),
            "warmup_steps": (0, _MOST_STEPS),
            "steps": (1, _MOST_STEPS),
            "batch_size": (1, 2**20),
            "noise_draws": (1, 2**16),
            "context_drop": (0.0, 1.0),
            "state_drop": (0.0, 1.0),
            "caption_drop": (0.0, 1.0),
            "noise_share": (0.0, 1.0),
            "teacher_forcing": (0.0, 1.0),
            "ema_start": (0, _MOST_STEPS),
        }
        for key, (low, high) in limits.items():
            if not low <= getattr(self, key) <= high:
                message = f"stage {self.name}: {key}={getattr(self, key):g}"
                raise ConfigError(message, f"{key} must be from {low:g} to {high:g}")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            message = f"stage {self.name}: betas={list(self.betas)}"
            raise ConfigError(message, "use two numbers from 0 to below 1, such as [0.9,0.999]")
        if self.repulsion_cap is not None and self.repulsion_cap <= 0:
            message = f"stage {self.name}: repulsion_cap={self.repulsion_cap:g}"
            raise ConfigError(message, "use a distance above 0, or null")
        self._check_caches()
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            message = f"stage {self.name}: ema_decay={self.ema_decay}"
            raise ConfigError(message, "use a decay between 0 and 1, such as 0.999, or null")
        self._check_policy()

    def _check_caches(self) -> None:
        """ConfigError where what is to be kept in memory changes in training, or is not there."""
        if self.cache_states and ("video_dit" in self.trainable or self.needs_future_images):
            message = f"stage {self.name}: cache_states=true, but the stage trains the Video DiT"
            raise ConfigError(message, "use cache_states: false")
        if self.cache_states and (self.video_label != NOISE or self.caption_drop > 0):
            message = f"stage {self.name}: cache_states=true, but its states change at every step"
            raise ConfigError(
                message, f"use cache_states: false, or video_label: {NOISE} and caption_drop: 0"
            )
        if self.store_states and not self.cache_states:
            message = f"stage {self.name}: store_states=true, but cache_states=false"
            raise ConfigError(message, "use store_states: false, or cache_states: true")
        if self.cache_latents and (not self.needs_future_images or self.phases):
            what = "has clips of several sizes" if self.phases else "does not read latents"
            message = f"stage {self.name}: cache_latents=true, but the stage {what}"
            raise ConfigError(message, "use cache_latents: false")

    def _check_policy(self) -> None:
        """ConfigError where a policy has no weight, or what it is compared with would change."""
        weight, policy = self.weights.policy, self.policy
        if (weight > 0) != (policy is not None):
            message = f"stage {self.name}: weights.policy={weight:g}"
            hint = f"stage={POST_TRAINING} has a policy: give weights.policy a number above 0 there"
            raise ConfigError(message, hint)
        if policy is not None and policy.keeps_start and "video_dit" in self.trainable:
            message = f"stage {self.name}: the Video DiT learns, and the start is compared with"
            raise ConfigError(
                message,
                "leave the Video DiT frozen, or use policy.kl=0 policy.kl_limit=null and weights."
                "action_flow as the anchor",
            )

    def accounted(self, steps: int) -> TrainingStage:
        """The stage as its memory is counted: L_FM on as many plans stands for those it draws.

        Args:
            steps: of the planner's sampler.
        """
        if self.policy is None:
            return self
        return dataclasses.replace(self.watched(), noise_draws=self.policy.samples * steps)

    @property
    def needs_negatives(self) -> bool:
        """Whether it learns from a pool of hard negatives."""
        return self.weights.repulsion > 0 or (self.policy is not None and self.policy.needs_pool)

    @property
    def needs_future_images(self) -> bool:
        """Stage 1 learns from the images after the current frame; the others never see them."""
        weights = self.weights
        own = weights.generation > 0 or weights.intermediate > 0
        return own or bool(video_terms(weights.others))

    @property
    def needed(self) -> str:
        """What its first weights must have passed: the stage before, or the closed-form fit."""
        return self.predecessor or STATISTICS

    def where_to_start(self) -> str:
        """The command that makes its first weights."""
        if self.predecessor is None:
            return "fit them: reworld fit-statistics output_dir=…, then init_from=that folder"
        return f"reworld train agent=reworld stage={self.needed}, then init_from=its weights folder"

    @property
    def plans(self) -> bool:
        """True where the Action DiT is run."""
        return self.learns_velocity or self.weights.policy > 0

    @property
    def learns_velocity(self) -> bool:
        """True where the planner head is run on noisy plans of the log."""
        weights = self.weights
        own = weights.action_flow > 0 or weights.alignment > 0 or weights.repulsion > 0
        return own or bool(plan_terms(weights.others))

    def watched(self) -> TrainingStage:
        """The stage as its losses are taken of held-out scenes.

        L_RDE is left out, since held-out scenes have no hard negatives, and so is what learns from
        rewards, beside which L_FM is; neither context, state nor caption is dropped.
        """
        weights = dataclasses.replace(self.weights, repulsion=0.0, policy=0.0)
        if self.policy is not None:
            weights = dataclasses.replace(weights, action_flow=1.0)
        found = dataclasses.replace(self, weights=weights, policy=None)
        return dataclasses.replace(found, context_drop=0.0, state_drop=0.0, caption_drop=0.0)

    def check_forward(self, scenes: int) -> None:
        """Raise ConfigError where forwards of so many scenes have no mean for `state_drop`."""
        if self.state_drop > 0 and scenes < LEAST_SCENES:
            message = f"state_drop takes the mean over the {scenes} scenes of one forward"
            hint = f"give a forward {LEAST_SCENES} or more, or set +agent.overrides.state_drop=0"
            raise ConfigError(message, hint)

    def check(self, config: ModelConfig) -> None:
        """Raise ConfigError where the stage asks for blocks or heads that the model lacks."""
        check_phases(self.phases, config.clip, config.codec)
        if config.actions is not None and self.phases and self.needs_future_images:
            message = f"stage {self.name}: phases of other clips, but the model has actions"
            raise ConfigError(message, "latent actions are of one size: use phases: []")
        if self.teacher_forcing > 0 and not config.video.of_chunks:
            message = f"stage {self.name}: teacher_forcing={self.teacher_forcing:g} without chunks"
            hint = "use video.backbone=world_action with its option chunk, or teacher_forcing: 0"
            raise ConfigError(message, hint)
        depth = config.video.num_layers
        wrong = [block for block in self.align_blocks if not 1 <= block <= depth]
        if wrong:
            message = f"stage {self.name}: align_blocks names block {wrong[0]} of {depth}"
            raise ConfigError(message, f"blocks count from 1: use 1 to {depth}")
        if self.plans and config.planner.read_blocks is not None:
            message = f"stage {self.name}: planner.read_blocks = {config.planner.read_blocks}"
            raise ConfigError(message, "it is for planning: a stage learns to read all blocks")
        if self.weights.alignment > 0 and not self.align_blocks:
            raise ConfigError(f"stage {self.name}: no align_blocks", "name a block, such as [12]")
        projected = config.planner.projected_blocks
        if (
            self.weights.alignment > 0
            and projected
            and not set(self.align_blocks) <= set(projected)
        ):
            message = f"stage {self.name}: align_blocks {self.align_blocks} lack a projector"
            raise ConfigError(message, f"planner.projected_blocks has {projected}: name the same")
        if self.weights.intermediate > 0 and not config.video.mid_blocks:
            message = f"stage {self.name}: L_Mid is on, but the model has no mid head"
            raise ConfigError(message, "set video.mid_blocks")


def load_stage(
    stage: str | int,
    recipe: str = "paper",
    model: str = "tiny",
    overrides: Mapping[str, Any] | None = None,
    model_overrides: Mapping[str, Any] | None = None,
    method: str | None = None,
) -> TrainingStage:
    """The settings of one stage; every unknown name or contradictory value raises ConfigError.

    Args:
        stage: see ALL_STAGES.
        recipe: `paper` or `release`.
        model: see `load_model_config`; what a file says under `stages` counts.
        overrides: of the stage's settings.
        model_overrides: of the model's fields, which the stage must fit.
        method: of Stage 4, see `policy_settings.methods`; None = its first.
    """
    name = str(stage)
    for key, value, known in (("stage", name, ALL_STAGES), ("recipe", recipe, RECIPES)):
        if value not in known:
            raise ConfigError(f"{key}={value} does not exist", f"use {key}=" + " | ".join(known))
    config = load_model_config(model, recipe, model_overrides)
    file = resources.files("reworld_agent.config").joinpath("defaults", "stages.yaml")
    tables = yaml.safe_load(file.read_text(encoding="utf-8"))
    values = {"name": name, "recipe": recipe, **tables["all"][name]}
    base = shipped_base(model)
    for table in (tables["recipes"][recipe], tables["models"][base], tables["both"][recipe][base]):
        values.update(table.get(name, {}))
    if name == POST_TRAINING:
        values.update(method_table(method))
    elif method is not None:
        raise ConfigError(f"method={method} with stage={name}", f"it is for stage={POST_TRAINING}")
    own = stage_settings(model)
    for key in own:
        if key not in ALL_STAGES:
            known_stages = f"use stages: {{{STAGES[0]}: {{...}}}}, of " + " | ".join(ALL_STAGES)
            raise ConfigError(f"model={model}: stages has {key}", known_stages)
    values.update(own.get(name, {}))
    changes = dict(overrides or {})
    if isinstance(changes.get("policy"), Mapping):
        changes["policy"] = _merged_policy(values.get("policy", {}), changes["policy"])
    values.update(changes)
    result = build_dataclass(TrainingStage, values, f"stage {name}")
    result.check(config)
    return result


def _merged_policy(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The policy of a method with some of it changed; a reward is changed as a whole."""
    policy = merged(table, changes)
    if "reward" in changes:
        policy["reward"] = changes["reward"]
    return policy


def on_clips(stage: TrainingStage, config: ModelConfig) -> TrainingStage:
    """Stage 1 as it runs on clips: without a curriculum, on the model's `world_clip`.

    Raises:
        ConfigError: the stage plans; clips have no expert's trajectory.
    """
    if stage.plans or not stage.needs_future_images:
        raise ConfigError(f"stage {stage.name} cannot learn from clips", "clips= is for stage=1")
    views = config.world_clip.views
    if stage.phases and config.clip.views == views:
        return stage
    if stage.phases:  # a clip shows one camera, whatever the planner sees
        phases = [ClipPhase(phase.share, {**phase.clip, "views": views}) for phase in stage.phases]
        return dataclasses.replace(stage, phases=tuple(phases))
    whole = ClipPhase(1.0, dataclasses.asdict(config.world_clip))
    return dataclasses.replace(stage, phases=(whole,))


def check_scene_rate(config: ModelConfig) -> None:
    """Raise UsageError where the planner's clips are of another rate than NAVSIM's scenes."""
    rate = 1 / NAVSIM_INTERVAL_LENGTH
    if config.clip.fps != rate:
        message = f"clip.fps={config.clip.fps:g}, and scenes have {rate:g} frames a second"
        raise UsageError(message, "leave clip.fps out; world_clip.fps may be another")


def check_scene_phases(stage: TrainingStage, config: ModelConfig) -> None:
    """See that scenes give what a stage needs.

    Raises:
        UsageError: clips of another rate, or longer ones for a phase of the curriculum.
    """
    check_scene_rate(config)
    scene = config.clip
    for number, phase in enumerate(stage.phases, 1):
        clip = phase.apply(scene)
        past, ahead = clip.history_frames, clip.future_frames
        if past > scene.history_frames or ahead > scene.future_frames:
            raise UsageError(
                f"stage {stage.name}: phase {number} of the curriculum needs {past} + {ahead} "
                f"frames at {clip.fps:g} Hz; scenes have {scene.history_frames} + "
                f"{scene.future_frames} at {scene.fps:g} Hz",
                "train on clips (clips=INDEX.parquet, see `reworld video index`), or on scenes "
                "without a curriculum: '+agent.overrides.phases=[]'",
            )


def stage_table(stage: TrainingStage) -> dict[str, Any]:
    """The stage as a plain dictionary, for a run's records; of its policy where it has one."""
    table = dataclasses.asdict(stage)
    if stage.weights.world_action == 1:  # as before there were action tokens
        del table["weights"]["world_action"]
    if stage.teacher_forcing == 0:  # as before there was any
        del table["teacher_forcing"]
    if stage.policy is None:
        del table["policy"], table["weights"]["policy"]
    return table

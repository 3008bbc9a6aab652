"""The loss of a stage on a batch: one function for Lightning here and for the devkit's trainer.

Shapes: B scenes, K plans per scene, L waypoints, N video tokens, C latent channels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from reworld_agent.config import ClipConfig
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.model import ReWorldModel
from reworld_agent.objectives.action_flow import action_flow_loss
from reworld_agent.objectives.alignment import readout_loss
from reworld_agent.objectives.flow import clean_estimate, interpolate, velocity_target
from reworld_agent.objectives.generation import generation_loss
from reworld_agent.objectives.intermediate import intermediate_loss
from reworld_agent.objectives.repulsion import repulsion_loss
from reworld_agent.objectives.sharded_rng import ShardedRng
from reworld_agent.objectives.terms import PlanState, VideoState, plan_terms, video_terms
from reworld_agent.planner.heads import ActionOutput, Learned, Memory, OwnLoss, Readout
from reworld_agent.training.datasets.curriculum import fit_clip
from reworld_agent.training.stages import LEAST_SCENES, NOISE, TrainingStage
from reworld_agent.training.world_actions import clean_past, drawn_chunk, noised_actions
from reworld_agent.video.backbones import run_backbone
from reworld_agent.video.conditioning import Grid, pack
from reworld_agent.video.encoding import encode_clip

Batch = dict[str, Tensor]
Logs = dict[str, Tensor]
_NAME_BYTES = 64


@dataclass(frozen=True)
class PolicyBatch:
    """Scenes as a policy sees them.

    Attributes:
        tokens: of the B scenes.
        states: of the video, [B, N, D] of every block.
        memory: of these, see `PlannerHead.cache`.
        ego: [B, 8].
        targets: what the scenes teach beside.
    """

    tokens: Sequence[str]
    states: Sequence[Tensor]
    memory: Memory
    ego: Tensor
    targets: Batch


class PolicyLoss(Protocol):
    """What learns from rewards (Stage 4), see `training.reinforcement`."""

    def loss(self, model: ReWorldModel, batch: PolicyBatch, rng: ShardedRng) -> tuple[Tensor, Logs]:
        """The term `policy` of a batch, scalar, and what is to be logged beside it."""


FUTURE_HINT = (
    "Stage 1 needs the cameras of the 8 frames after the current one (navtrain has none): "
    "use a split with future images, such as train_test_split=town_train"
)


def stage_loss(
    model: ReWorldModel,
    stage: TrainingStage,
    features: Batch,
    targets: Batch,
    rng: ShardedRng | torch.Generator | None = None,
    clip: ClipConfig | None = None,
    policy: PolicyLoss | None = None,
) -> tuple[Tensor, Logs]:
    """Weighted sum of the stage's terms, and every term by its name.

    Args:
        model: in training mode, prepared for the stage.
        stage: the stage.
        features: `images` uint8 [B, T, 3, H, W], `ego` [B, 8]; or, instead of images, `states`
            [B, blocks, N, D] of a frozen Video DiT, or (Stage 1) `latents` [B, C, F, h, w] of
            history and future; Stage 1 of models with text conditioning: `prompt`, `prompt_mask`.
        targets: `trajectory` [B, L, 3]; Stage 1: `future_images` uint8 [B, T, 3, H, W]; Stage 3:
            `hard_negative` [B, L, 3] and `hard_negative_valid` bool [B]; with gradient
            accumulation `hard_negative_count`, scalar: the mean number of valid ones in the
            batches of the optimiser step (Eq. 18 divides by the number of the whole batch);
            Stage 4: `token`, see `scene_names`.
        rng: of times and noise; a generator stands for a process that has the whole batch,
            None for torch's global generator.
        clip: what a video stage makes of the images; None = the model's own clip.
        policy: what Stage 4 learns by; stages without rewards need none.
    """
    if not isinstance(rng, ShardedRng):
        rng = ShardedRng(rng)
    terms: Logs = {}
    logs: Logs = {}
    if stage.needs_future_images:
        terms.update(_video_terms(model, stage, features, targets, rng, clip))
    if stage.plans:
        found, logs = _action_terms(model, stage, features, targets, rng, policy)
        terms.update(found)
    weights = stage.weights
    total = torch.stack([weights.factor(name) * term for name, term in terms.items()]).sum()
    detached = {name: value.detach() for name, value in (terms | logs).items()}
    return total, {"loss": total.detach(), **detached}


def name_tensor(token: str) -> Tensor:
    """A scene's token as a target: its UTF-8 bytes, uint8 [64], zeros behind them.

    Loaders of any host put it into batches and caches as they do other targets.

    Raises:
        DataError: it is longer.
    """
    content = token.encode()
    if len(content) > _NAME_BYTES:
        raise DataError(f"the token {token} has more than {_NAME_BYTES} bytes", "shorten it")
    return torch.tensor([*content, *[0] * (_NAME_BYTES - len(content))], dtype=torch.uint8)


def scene_names(names: Tensor) -> list[str]:
    """The tokens of a batch of `name_tensor`s [B, 64]."""
    return [bytes(row).rstrip(b"\0").decode() for row in names.cpu().tolist()]


class NotFiniteError(DataError):
    """A loss that is NaN or infinite; in a run of several processes all of them raise it."""


def require_finite(loss: Tensor, where: str) -> None:
    """Raise NotFiniteError where a loss is NaN or infinite; `where` names step and scenes."""
    if not torch.isfinite(loss):
        raise NotFiniteError(
            f"the loss is {loss.item()} {where}",
            "look at these scenes, or lower the learning rate; the last checkpoint is kept",
        )


def _video_terms(
    model: ReWorldModel,
    stage: TrainingStage,
    features: Batch,
    targets: Batch,
    rng: ShardedRng,
    clip: ClipConfig | None,
) -> Logs:
    """L_Gen, L_Mid and others; history tokens are clean, at t = 0, and out of the loss."""
    latents = _latents(model, features, targets, clip, rng)
    clean = pack(latents).to(model.video_dit.dtype)
    clip = clip or model.config.clip
    grid = Grid.of(clip, model.config.codec)
    batch, mode, kind = len(clean), stage.video_times, stage.video_distribution
    drawn = rng.token_times(batch, grid.frames, grid.cells, mode, kind, clean)
    if stage.noise_share > 0:
        pure = rng.times((batch,), "uniform", clean) < stage.noise_share
        drawn = torch.where(pure[:, None], torch.ones_like(drawn), drawn)
    times = grid.token_times(drawn)
    noise = rng.normal(clean.shape, clean)
    runs = times if mode == "token" else grid.frame_times(times)
    layout = model.layout(clip)
    acted = None  # without its loss an action is never known
    if stage.weights.world_action > 0:
        acted = noised_actions(model, latents, targets, rng, layout)
    chunks = drawn_chunk(model, rng, clean)
    chunks |= clean_past(stage.teacher_forcing, clean, acted, rng, grid)
    output = run_backbone(
        *(model.video_dit, interpolate(clean, noise, times), runs, layout),
        model.context(batch, features),
        round_times=model.config.video.round_times,
        run_heads=stage.weights.intermediate > 0,
        actions=None if acted is None else acted.tokens,
        **chunks,
    )
    target, future = velocity_target(clean, noise), grid.future_tokens(clean.device)
    terms = {"generation": generation_loss(output.velocity, target, future)}
    if stage.weights.intermediate > 0:
        terms["intermediate"] = intermediate_loss(output.mid, target, future)
    if acted is not None:
        terms["world_action"] = acted.loss(output)
    others = video_terms(stage.weights.others)
    state = VideoState(output, target, times, grid.future_mask(clean.device), grid)
    return terms | {name: term.loss(state) for name, term in others.items()}


@torch.no_grad()
def _latents(
    model: ReWorldModel, features: Batch, targets: Batch, clip: ClipConfig | None, rng: ShardedRng
) -> Tensor:
    """Latents [B, C, F, h, w] of history and future: cached ones, or of the batch's images."""
    device = model.device
    if "latents" in features:
        return features["latents"].to(device)
    if "future_images" not in targets:
        raise DataError("the batch has no future images", FUTURE_HINT)
    images, future_images = features["images"].to(device), targets["future_images"].to(device)
    if clip is not None:
        images, future_images = fit_clip(images, future_images, clip)
    clip = clip or model.config.clip
    return encode_clip(model.codec, clip, images, future_images, model.posterior(rng.normal))


def _action_terms(
    model: ReWorldModel,
    stage: TrainingStage,
    features: Batch,
    targets: Batch,
    rng: ShardedRng,
    policy: PolicyLoss | None,
) -> tuple[Logs, Logs]:
    """What a stage learns of plans, over one video forward at t = 1."""
    states = _states(model, stage, features, rng)
    ego = features["ego"].to(states[0])
    if stage.state_drop > 0:
        states = _with_mean(states, rng.times((len(ego),), "uniform", ego) < stage.state_drop)
    if stage.context_drop > 0:
        kept = rng.times((len(ego),), "uniform", ego) >= stage.context_drop
        ego = ego * kept[:, None]
        states = [state * kept[:, None, None] for state in states]
    memory = model.action_dit.cache(states)
    terms: Logs = {}
    logs: Logs = {}
    if stage.weights.policy > 0:
        if policy is None:
            raise ConfigError(f"stage {stage.name} needs rewards", "give stage_loss a policy")
        scenes = PolicyBatch(scene_names(targets["token"]), states, memory, ego, targets)
        terms["policy"], logs = policy.loss(model, scenes, rng)
    if stage.learns_velocity:
        found, more = _velocity_terms(model, stage, states, memory, ego, targets, rng)
        terms, logs = terms | found, logs | more
    return terms, logs


def _velocity_terms(
    model: ReWorldModel,
    stage: TrainingStage,
    states: Sequence[Tensor],
    memory: Memory,
    ego: Tensor,
    targets: Batch,
    rng: ShardedRng,
) -> tuple[Logs, Logs]:
    """L_FM, L_align, L_RDE and others of K plans a scene."""
    plans = stage.noise_draws
    expert = targets["trajectory"].to(ego.device).repeat_interleave(plans, dim=0)
    clean = model.normaliser.normalise(expert).to(ego.dtype)
    kind, horizon = stage.action_distribution, clean.size(1)
    t = rng.times((len(ego), plans), kind, clean, horizon).flatten()
    noise = rng.normal((len(ego), plans, *clean.shape[1:]), clean).flatten(0, 1)
    learned, velocity = _learned(model, stage, (clean, noise, t), ego, memory, states)
    terms = {"action_flow": learned.loss}
    logs = {"outside_range": (learned.plan.detach().abs() > 1).float().mean()}
    if stage.weights.alignment > 0:
        terms["alignment"], logs["readout_ratio"] = _alignment(learned.readouts)
    if stage.weights.repulsion > 0:
        terms["repulsion"], logs["negatives"] = _repulsion(model, stage, learned.plan, targets, rng)
    others = plan_terms(stage.weights.others)
    if others:
        plan = model.normaliser.denormalise(learned.plan)
        output = ActionOutput(velocity, learned.readouts)
        state = PlanState(output, velocity_target(clean, noise), t, plan, expert, targets)
        terms |= {name: term.loss(state) for name, term in others.items()}
    return terms, logs


def _learned(
    model: ReWorldModel,
    stage: TrainingStage,
    path: tuple[Tensor, Tensor, Tensor],
    ego: Tensor,
    memory: Memory,
    states: Sequence[Tensor],
) -> tuple[Learned, Tensor]:
    """L_FM (Eq. 4), or the head's own loss, of a path's clean plans, noise and times; its velocity.

    A head that gives plans at once has the velocity from the noise to them.
    """
    (clean, noise, t), head = path, model.action_dit
    how: dict[str, Any] = {"tap": stage.align_blocks, "states": states}
    if isinstance(head, OwnLoss):
        learned = head.learn(clean, noise, ego, memory, **how)
        return learned, velocity_target(learned.plan, noise)
    noisy = interpolate(clean, noise, t)
    output = head(noisy, t, ego, memory, **how)
    loss = action_flow_loss(output.velocity, velocity_target(clean, noise))
    plan = clean_estimate(noisy, output.velocity, t)
    return Learned(loss, plan, output.readouts), output.velocity


def _states(
    model: ReWorldModel, stage: TrainingStage, features: Batch, rng: ShardedRng
) -> list[Tensor]:
    """The video states of a batch, with a graph where the stage trains the Video DiT.

    A policy acts on those that planning reads.
    """
    learns = "video_dit" in stage.trainable
    if "states" in features or stage.weights.policy > 0:
        with contextlib.nullcontext() if learns else torch.no_grad():
            return model.planning_states(features)
    history = model.encode(features["images"], rng.normal)
    shape = (*history.shape[:2], model.grid.future, *history.shape[3:])
    future = rng.normal(shape, history)
    label, dropped = None, torch.zeros(len(history), dtype=torch.bool)
    if stage.video_label != NOISE:
        label = rng.times((len(history),), stage.video_label, history, model.grid.tokens)
    if stage.caption_drop > 0:
        dropped = rng.times((len(history),), "uniform", history) < stage.caption_drop
    prompt = model.training_prompt(dropped)
    with contextlib.nullcontext() if learns else torch.no_grad():
        return model.video_states(history, future, features, label=label, prompt=prompt)


def _with_mean(states: Sequence[Tensor], dropped: Tensor) -> list[Tensor]:
    """States [B, N, D] by block, where `dropped` [B] the mean over the scenes.

    Too few scenes, such as the last of an epoch of the devkit's trainer, keep their own.
    """
    if len(dropped) < LEAST_SCENES:
        return list(states)
    chosen = dropped[:, None, None]
    return [torch.where(chosen, state.mean(dim=0, keepdim=True), state) for state in states]


def _alignment(readouts: Mapping[int, Readout]) -> tuple[Tensor, Tensor]:
    """L_align and the ratio |r|/|h|: the loss can also fall by a growing readout."""
    taps = list(readouts.values())
    loss = readout_loss(taps)
    ratios = [tap.readout.norm() / (tap.state - tap.readout).norm() for tap in taps]
    return loss, torch.stack(ratios).mean()


def _repulsion(
    model: ReWorldModel, stage: TrainingStage, estimate: Tensor, targets: Batch, rng: ShardedRng
) -> tuple[Tensor, Tensor]:
    """L_RDE, and the share of scenes with a negative."""
    scenes, plans = len(targets["trajectory"]), stage.noise_draws
    none = torch.zeros(scenes, dtype=torch.bool)
    valid = targets.get("hard_negative_valid", none).to(model.device)
    negative = targets.get("hard_negative", targets["trajectory"]).to(model.device)
    count = targets.get("hard_negative_count", valid.sum().float()).to(model.device)
    loss = repulsion_loss(
        model.normaliser.denormalise(estimate),
        negative.repeat_interleave(plans, dim=0),
        valid.repeat_interleave(plans, dim=0),
        stage.repulsion_cap,
        rng.total(count * plans),
    )
    return loss, valid.float().mean()

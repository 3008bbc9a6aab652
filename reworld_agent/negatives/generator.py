"""Candidates of a scene from our own planner, spread by guidance and noise.

Two knobs, as in BeyondDrive (arXiv 2605.19771): guidance below 1 moves each velocity towards the
one that sees neither images nor ego state, v_u + cfg (v_c - v_u); more noise at the start widens
the set. BeyondDrive draws its pool at noise 0.4 from a generator that was trained at 0.2; our
planner is trained at 1, hence `noise_scale` / 0.2 here.
Shapes: B scenes, K candidates per scene, L waypoints.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from reworld_agent.config.sigmas import SCHEDULES
from reworld_agent.model import ReWorldModel
from reworld_agent.negatives.settings import CandidateSettings
from reworld_agent.planner.heads import Memory, OwnSampling, PlannerHead

TRAINED_NOISE = 0.2
_PLANS = 256  # denoised together on a CPU: their streams stay in its cache


def token_noise(token: str, settings: CandidateSettings, horizon: int) -> Tensor:
    """Initial noise [K, L, 3] of a scene, the same in every run and batch."""
    digest = hashlib.sha256(f"{token}/{settings.seed}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    noise = torch.randn(settings.count, horizon, 3, generator=generator)
    return noise * (settings.noise_scale / TRAINED_NOISE)


@torch.no_grad()
def generate(
    model: ReWorldModel,
    features: dict[str, Tensor],
    tokens: Sequence[str],
    settings: CandidateSettings,
) -> Tensor:
    """Candidates [B, K, L, 3] (m, m, rad; ego frame; float32) of a batch of scenes."""
    history = model.encode(features["images"])
    states = model.video_states(history, model.future_noise(len(history)), features)
    dit, ego = model.action_dit, features["ego"].to(history)
    seen = dit.cache(states)
    # what the blind see is the same token in every place of every scene: one will do
    unseen = dit.cache([torch.zeros_like(state[:1, :1]) for state in states])
    horizon = model.config.planner.horizon
    noise = torch.stack([token_noise(token, settings, horizon) for token in tokens])
    noise = noise.to(model.normaliser.centre)
    at_once = max(1, _PLANS // settings.count) if noise.device.type == "cpu" else len(tokens)
    poses = []
    for start in range(0, len(tokens), at_once):
        part = slice(start, start + at_once)
        memory = [tuple(tensor[part] for tensor in group) for group in seen]
        actions = _denoise(dit, noise[part].flatten(0, 1), ego[part], memory, unseen, settings)
        poses.append(model.normaliser.denormalise(actions, clamp=True))
    return torch.cat(poses).float().unflatten(0, (len(tokens), settings.count))


def _denoise(
    head: PlannerHead,
    actions: Tensor,
    ego: Tensor,
    seen: Memory,
    unseen: Memory,
    settings: CandidateSettings,
) -> Tensor:
    """Normalised waypoints [B K, L, 3] from noise; `unseen` is of one scene for all."""
    if isinstance(head, OwnSampling):
        noise, steps = actions.to(head.dtype), settings.steps
        plans = head.sample(noise, ego, seen, steps=steps, unseen=unseen, guidance=settings.cfg)
        return plans.to(actions)
    levels = SCHEDULES["uniform"](settings.steps)
    for level, following in zip(levels, [*levels[1:], 0.0], strict=True):
        t = torch.full((1,), level, device=actions.device)
        noisy = actions.to(head.dtype)
        conditional = head(noisy, t, ego, seen).velocity
        free = head(noisy, t, torch.zeros_like(ego[:1]), unseen).velocity
        velocity = free + settings.cfg * (conditional - free)
        actions = actions + (following - level) * velocity.to(actions)
    return actions

"""What a plan loses when the video states are not those of its scene.

Shapes: B scenes, N video tokens, D width, L waypoints.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate
from tqdm import tqdm

from reworld_agent.core.errors import DataError
from reworld_agent.core.shards import PartStore
from reworld_agent.evaluation.scoring import ROW_KEYS, score_trajectories
from reworld_agent.model import ReWorldModel
from reworld_agent.objectives.action_flow import action_flow_loss
from reworld_agent.objectives.flow import interpolate, velocity_target
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.planner.heads import OwnLoss
from reworld_agent.scenes.splits import DataRoots
from reworld_agent.training.datasets.scene_arrays import SceneDataset
from reworld_agent.training.gate.velocity import BATCH

OWN, OTHER, MEAN, BLANK = STATES = ("own", "other", "mean", "blank")
"""The scene's own states, another scene's, the mean over training scenes, zeros."""
DRAWS = 4  # times and noises of a scene, for L_FM


@dataclass(frozen=True)
class PlanQuality:
    """Plans from one kind of states: PDMS (0 to 1), mean distance to the expert (m), L_FM."""

    states: str
    pdms: float
    ade_m: float
    loss: float


def partners(logs: Sequence[str]) -> list[int]:
    """For every scene the number of another one, of another log.

    Raises:
        DataError: all scenes are of one log.
    """
    count = len(logs)
    if len(set(logs)) < 2:
        raise DataError("the scenes are of one log", "judge on more scenes: a larger clips=")
    found = []
    for number, log in enumerate(logs):
        candidates = ((number + count // 2 + step) % count for step in range(count))
        found.append(next(k for k in candidates if logs[k] != log))
    return found


@torch.no_grad()
def mean_states(model: ReWorldModel, scenes: Any) -> Tensor:
    """States [blocks, N, D] averaged over a data set, as the planner reads them."""
    total, count = torch.zeros(()), 0
    for features, _, _ in tqdm(DataLoader(scenes, BATCH), desc="mean states", delay=5.0):
        states = torch.stack(model.planning_states(features), dim=1)
        total = total.to(states.device, torch.float64) + states.double().sum(dim=0)
        count += len(states)
    return (total / count).float()


def judge_planner(
    model: ReWorldModel, held_out: SceneDataset, mean: Tensor, roots: DataRoots, seed: int
) -> list[PlanQuality]:
    """Plan every scene from each kind of states, and score the plans.

    Args:
        model: in evaluation mode, its planner trained.
        held_out: scenes.
        mean: see `mean_states`; of training scenes.
        roots: where the scenes' logs and maps lie.
        seed: of the times and noise of L_FM.

    Raises:
        DataError: the scenes are of one log, or a plan has no score.
    """
    arrays = held_out.arrays
    others = partners(arrays.logs)
    rows: list[dict[str, Any]] = []
    losses: dict[str, list[float]] = {kind: [] for kind in STATES}
    for start in tqdm(range(0, len(arrays), BATCH), desc="plans", delay=5.0):
        numbers = range(start, min(start + BATCH, len(arrays)))
        features, targets, _ = default_collate([held_out[k] for k in numbers])
        strange, _, _ = default_collate([held_out[others[k]] for k in numbers])
        with torch.no_grad():
            own, other = (
                torch.stack(model.planning_states(some), dim=1) for some in (features, strange)
            )
            shared = mean.to(own).expand_as(own)
            for kind, states in zip(
                STATES, (own, other, shared, torch.zeros_like(own)), strict=True
            ):
                given = {"ego": features["ego"], "states": states}
                plans = model.plan(given).cpu().double().numpy()
                losses[kind] += _flow_losses(model, given, targets["trajectory"], seed + start)
                rows += [
                    {"token": arrays.tokens[k], "candidate": kind, "poses": plan.ravel()}
                    for k, plan in zip(numbers, plans, strict=True)
                ]
    return _qualities(pd.DataFrame(rows), losses, arrays.trajectory, arrays.tokens, roots)


def _flow_losses(
    model: ReWorldModel, given: dict[str, Tensor], expert: Tensor, seed: int
) -> list[float]:
    """L_FM of each scene: the mean over DRAWS times and noises, alike for all kinds of states.

    Of a head that learns otherwise, its own loss.
    """
    states = list(given["states"].unbind(dim=1))
    memory, ego = model.action_dit.cache(states), given["ego"].to(states[0])
    clean = model.normaliser.normalise(expert.to(ego.device)).to(ego)
    clean = clean.repeat_interleave(DRAWS, dim=0)
    generator = torch.Generator().manual_seed(seed)
    t = torch.rand(len(clean), generator=generator).to(ego)
    noise = torch.randn(clean.shape, generator=generator).to(ego)
    head = model.action_dit
    if isinstance(head, OwnLoss):
        scenes = range(len(ego))
        parts = [slice(k * DRAWS, (k + 1) * DRAWS) for k in scenes]
        kept = [[tuple(x[k : k + 1] for x in group) for group in memory] for k in scenes]
        return [
            float(head.learn(clean[part], noise[part], ego[k : k + 1], kept[k]).loss)
            for k, part in enumerate(parts)
        ]
    found = head(interpolate(clean, noise, t), t, ego, memory).velocity
    target = velocity_target(clean, noise)
    return [
        float(action_flow_loss(found[k : k + DRAWS], target[k : k + DRAWS]))
        for k in range(0, len(clean), DRAWS)
    ]


def _qualities(
    plans: pd.DataFrame,
    losses: dict[str, list[float]],
    expert: np.ndarray,
    tokens: Sequence[str],
    roots: DataRoots,
) -> list[PlanQuality]:
    caches = SceneCaches(roots.data_root, roots.maps_root, roots.data_split)
    with tempfile.TemporaryDirectory() as folder:
        store = PartStore(Path(folder), ROW_KEYS, {})
        scored = score_trajectories(plans, caches, store)
    unscored = scored[scored["reason"] != ""]
    if len(unscored):
        first = unscored.iloc[0]
        message = f"{len(unscored)} plans have no score, first {first['token']}: {first['reason']}"
        raise DataError(message, "look at these scenes with `reworld score`")
    expert_of = dict(zip(tokens, expert, strict=True))
    far = [
        np.linalg.norm(poses.reshape(-1, 3)[:, :2] - expert_of[token][:, :2], axis=1).mean()
        for token, poses in zip(plans["token"], plans["poses"], strict=True)
    ]
    table = scored.assign(ade=far).groupby("candidate")[["score", "ade"]].mean()
    means = zip(STATES, table.loc[list(STATES)].to_numpy(), strict=True)
    return [
        PlanQuality(kind, float(pdms), float(ade), float(np.mean(losses[kind])))
        for kind, (pdms, ade) in means
    ]

"""Imagined plans, read back: which of two plans a future shows.

A reader (a network told the motion between recorded latents) gives the motion of every pair of
latents; distance and yaw of a future are their sums. A future is its own plan's where it is read
nearer to that one than to the other.
Shapes: S scenes, F latent frames of the future, C latent channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reworld_agent.generation.futures import Conditions, Sampling, imagined
from reworld_agent.model import ReWorldModel
from reworld_agent.training.latent_actions.probe import Reader
from reworld_agent.video.encoding import denormalise, normalise
from reworld_agent.video.latent_actions import LatentActions, latent_tokens, plan_motion
from reworld_agent.video_metrics.probe.linear import interval

# History latents [B, C, F_history, h, w], plans [B, L, 3] and the first scene's number to all
# normalised latents.
Imagine: TypeAlias = "Callable[[Tensor, Tensor, int], Tensor]"
QUANTITIES = ("distance", "yaw")
_COLUMNS = {"distance": 0, "yaw": 2}  # of a motion
LEAST_APART = {"distance": 2.0, "yaw": 0.1}  # m, rad: plans that are nearer are not told apart


def by_video(model: ReWorldModel, sampling: Sampling) -> Imagine:
    """The Video DiT under the plans."""
    clip = model.config.clip

    def imagine(past: Tensor, plans: Tensor, first: int) -> Tensor:
        return imagined(model, past, clip, sampling, first, Conditions(plans=plans))

    return imagine


def by_dynamics(model: ReWorldModel, actions: LatentActions) -> Imagine:
    """The forward dynamics, latent after latent, each action adapted from the plan's motion."""
    ratio, count = model.config.codec.temporal_ratio, model.grid.future

    def imagine(past: Tensor, plans: Tensor, first: int) -> Tensor:
        """See `Imagine`; there is no noise for `first` to number."""
        told = actions.raw(actions.adapted(plan_motion(plans, ratio, count)))
        seen = denormalise(model.codec, past)
        present = actions.scaled(latent_tokens(seen)[:, -1])
        latents = [seen]
        for number in range(count):
            present = actions.predict(present, told[:, number])
            cells = present * actions.scale + actions.centre
            latents.append(cells.transpose(1, 2).unflatten(2, seen.shape[3:])[:, :, None])
        return normalise(model.codec, torch.cat(latents, dim=2))

    return imagine


@torch.no_grad()
def read_futures(
    model: ReWorldModel, actions: LatentActions, reader: Reader, latents: Tensor
) -> NDArray[np.float64]:
    """Distance (m) and yaw (rad) [S, 2] of the futures in normalised latents [S, C, F, h, w]."""
    seen = denormalise(model.codec, latents[:, :, model.grid.history - 1 :].float())
    tokens = actions.scaled(latent_tokens(seen)).flatten(2)
    pairs = torch.cat([tokens[:, :-1], tokens[:, 1:]], dim=2)
    motion = reader(pairs.flatten(0, 1)).reshape(*pairs.shape[:2], 3)
    return total(motion)


def total(motion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance (m) and yaw (rad), [S, 2], of motions from latent to latent [S, F, 3]."""
    return motion.sum(axis=1)[:, [_COLUMNS[name] for name in QUANTITIES]]


def shares(
    read: Mapping[str, NDArray[np.float64]],
    own: NDArray[np.float64],
    other: NDArray[np.float64],
    logs: NDArray[np.str_],
) -> list[dict[str, Any]]:
    """Shares of futures that are read nearer to their own plan than to the other.

    Only of scenes whose plans lie apart, see LEAST_APART.

    Args:
        read: by source: what is read of the futures, [S, 2]; `other_plan` are those of the other
            plan, whose own is that one.
        own: distance and yaw of the scenes' first plan, [S, 2].
        other: of the second.
        logs: of the scenes, whose intervals draw whole logs.

    Returns:
        Rows of source, quantity, value, low, high (95 %), scenes, and error: the mean distance
        of what is read from its plan.
    """
    rows: list[dict[str, Any]] = []
    for column, name in enumerate(QUANTITIES):
        apart = np.abs(own[:, column] - other[:, column]) >= LEAST_APART[name]
        for source, found in read.items():
            sides = (other, own) if source == "other_plan" else (own, other)
            near, far = (np.abs(found - side)[apart, column] for side in sides)
            nearer = (near < far).astype(float)[:, None]
            low, high = (float("nan"), float("nan"))
            if len(nearer):
                low, high = interval(_mean, nearer, nearer, logs[apart])
            row = {"source": source, "quantity": name, "low": low, "high": high}
            row |= {"value": _mean(nearer, nearer), "scenes": len(nearer)}
            rows.append(row | {"error": _mean(near[:, None], near)})
    return rows


def _mean(values: NDArray[np.float64], _: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")

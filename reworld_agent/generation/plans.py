"""Plans that are imagined: from poses to the action tokens that lead there.

Shapes: B scenes, L waypoints.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reworld_agent.config import ModelConfig
from reworld_agent.config.actions import REAL
from reworld_agent.core.errors import ConfigError, DataError, UsageError
from reworld_agent.core.result_tables import read_frame
from reworld_agent.model import ReWorldModel
from reworld_agent.video.backbones.action_tokens import ActionTokens
from reworld_agent.video.conditioning import Layout
from reworld_agent.video.latent_actions import plan_motion

_WITHOUT = "take one with them, such as docs/models/tiny_repwam.yaml"
_FINE, _FINE_RATE = 40, 10  # poses and rate (Hz) of plans that are no waypoints
_AGAIN = "give a trajectories.parquet (token, poses), such as `reworld score` writes"


def planned_actions(model: ReWorldModel, plans: Tensor, layout: Layout) -> ActionTokens:
    """The clean action tokens of plans [B, L, 3] (m, m, rad; ego frame), to imagine them.

    Raises:
        ConfigError: the model has no action tokens.
        DataError: a plan is shorter than the future.
    """
    actions = model.latent_actions
    if actions is None:
        raise ConfigError("a plan is to be imagined by a model without actions", _WITHOUT)
    motion = plan_motion(
        plans.to(model.device).float(), model.config.codec.temporal_ratio, layout.grid.future
    )
    real = model.config.video.action_tokens == REAL
    values = actions.standard_motion(motion) if real else actions.adapted(motion)
    return ActionTokens.of(
        values.to(model.video_dit.dtype), values.new_zeros(1, values.size(1)), layout
    )


def read_plan(path: Path, token: str, config: ModelConfig, fps: float) -> Tensor:
    """The plan [L, 3] of a scene in a table of trajectories, a pose for each frame at `fps`.

    Raises:
        UsageError: the model has no actions, or its frames are of another rate than poses.
        DataError: the table cannot be read, or has no such scene or no whole plan of it.
    """
    if config.actions is None:
        raise UsageError(f"plan={path}, but the model has no actions", _WITHOUT)
    require_rate(1 / fps, config.planner.interval)
    table = read_frame(path, _AGAIN, ("token", "poses"))
    rows = table[table["token"] == token]
    if rows.empty:
        raise DataError(f"plan={path} has no scene {token}", "name a scene that was planned")
    numbers = np.asarray(rows["poses"].iloc[0], dtype=np.float32)
    if numbers.size % 3 or not np.isfinite(numbers).all():
        raise DataError(f"plan={path}: the poses of {token} are no x, y, heading", _AGAIN)
    poses = numbers.reshape(-1, 3)
    if len(poses) == _FINE:
        every = round(_FINE_RATE * config.planner.interval)
        poses = poses[every - 1 :: every]
    return torch.from_numpy(poses.copy())


def require_rate(frames: float, poses: float) -> None:
    """Raise UsageError unless seconds between frames and between poses are the same."""
    if abs(frames - poses) > 1e-6:
        message = f"frames lie {frames:g} s apart, poses {poses:g} s"
        raise UsageError(message, "use a model whose clip.fps is 1 / planner.interval")


def plan_digest(plan: Tensor) -> str:
    """SHA-256 of a plan, for the record of what was imagined."""
    return hashlib.sha256(plan.numpy().tobytes()).hexdigest()

"""Terms of a stage's loss beside the paper's: what they see of a batch, and their registry.

`LossWeights.others` gives their factors by name; `docs/extending/objective.md` shows how one is
added from outside. This module imports no torch.
Shapes: B scenes, K plans per scene, L waypoints, N video tokens, C latent channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reworld_agent.core.extending.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from reworld_agent.planner.heads import ActionOutput
    from reworld_agent.video.backbones import VideoOutput
    from reworld_agent.video.conditioning import Grid


@dataclass(frozen=True)
class VideoState:
    """A batch of video training after its forward.

    Attributes:
        output: velocity and mid heads of the backbone.
        target: velocity [B, N, C] that they should have.
        times: token times [B, N]; 1 = noise, 0 on the conditions.
        future: boolean [N], False on condition tokens.
        grid: latent grid of the tokens.
    """

    output: VideoOutput
    target: Tensor
    times: Tensor
    future: Tensor
    grid: Grid


@dataclass(frozen=True)
class PlanState:
    """A batch of plans after the forward of the planner head.

    Attributes:
        output: velocity [B K, L, 3] of the noisy waypoints, and the readouts of `align_blocks`.
        target: velocity [B K, L, 3] that it should have; normalised, as the output's.
        times: [B K]; 1 = noise.
        plan: the clean plan that this velocity amounts to, [B K, L, 3] (m, m, rad; ego frame).
        expert: the plan of the log, same shape and frame.
        targets: what else the scenes teach, by name, see `stage_loss`.
    """

    output: ActionOutput
    target: Tensor
    times: Tensor
    plan: Tensor
    expert: Tensor
    targets: Mapping[str, Tensor]


@dataclass(frozen=True)
class VideoTerm:
    """What is registered of a term of video training: its loss, before its factor; scalar."""

    loss: Callable[[VideoState], Tensor]


@dataclass(frozen=True)
class PlanTerm:
    """What is registered of a term of planning: its loss, before its factor; scalar."""

    loss: Callable[[PlanState], Tensor]


TERMS: Registry[VideoTerm | PlanTerm] = Registry("term", {})
SETTING = "weights.others"


def video_terms(names: Mapping[str, float]) -> dict[str, VideoTerm]:
    """Those of the named terms that learn video; UsageError for an unknown name."""
    found = {name: TERMS.get(name, SETTING) for name in names}
    return {name: term for name, term in found.items() if isinstance(term, VideoTerm)}


def plan_terms(names: Mapping[str, float]) -> dict[str, PlanTerm]:
    """Those of the named terms that learn to plan; UsageError for an unknown name."""
    found = {name: TERMS.get(name, SETTING) for name in names}
    return {name: term for name, term in found.items() if isinstance(term, PlanTerm)}

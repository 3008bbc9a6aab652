"""What the model, the sampler and training need of a planner head.

Shapes: B scenes, K plans per scene, L waypoints, D width, N video tokens, V video width.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from reworld_agent.config import PlannerConfig, VideoConfig

# What a head keeps of the video states of B scenes: groups of tensors, the scenes first.
Memory: TypeAlias = "Sequence[tuple[Tensor, ...]]"


@dataclass
class Readout:
    """What one block read from the video (paper Eq. 10).

    Attributes:
        query: the stream that asks, before the cross-attention, [B K, L, D].
        state: a, the stream right after the cross-attention was added, [B K, L, D].
        readout: r, the cross-attention's output after its projection, [B K, L, D].
        output: the stream after the whole block, [B K, L, D] (the authors' release aligns it).
        projected: the release's r: head-averaged attention over the raw video states, which get no
            gradient, then LayerNorm and linear, [B K, L, D]; None where a block has no projector.
    """

    query: Tensor
    state: Tensor
    readout: Tensor
    output: Tensor
    projected: Tensor | None = None


@dataclass
class ActionOutput:
    """Velocity [B K, L, 3] of the normalised waypoints, and the readouts asked for, by block."""

    velocity: Tensor
    readouts: dict[int, Readout] = field(default_factory=dict)


class PlannerHead(Protocol):
    """The velocity of noisy waypoints, from video states: a `torch.nn.Module`, reached as usual.

    A head that has `sample` too is an `OwnSampling`, one that has `learn` an `OwnLoss`. With both,
    its forward is never called.
    """

    @property
    def alignment_parameters(self) -> tuple[str, ...]:
        """Beginnings of the names of parameters that L_align alone needs.

        They are frozen in stages without it.
        """

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights; waypoints come in it."""

    def cache(self, states: Sequence[Tensor]) -> Memory:
        """What it needs of the video states [B, N, V] of every block, computed once a plan.

        Of the first `planner.read_blocks` of them where planning leaves early. It depends on
        neither the noisy plan nor its time; N may be smaller than in training.
        """

    def forward(
        self,
        actions: Tensor,
        t: Tensor,
        ego: Tensor,
        memory: Memory,
        *,
        tap: Collection[int] = (),
        states: Sequence[Tensor] = (),
    ) -> ActionOutput:
        """Velocity of K plans for each of B scenes.

        Args:
            actions: noisy normalised waypoints [B K, L, 3], the K plans of a scene side by side.
            t: times [B K], [1] for all alike or, one for each waypoint, [B K, L]; 1 = noise.
            ego: [B, 8] (vx, vy m/s, ax, ay m/s², command one-hot).
            memory: of `cache`, for B scenes.
            tap: blocks (from 1) whose readouts are returned, for L_align.
            states: what `cache` was given, for readouts that need it once more.
        """

    def __call__(self, *args: Any, **kwargs: Any) -> ActionOutput:
        """`forward`, with the hooks of `torch.nn.Module`."""

    def __getattr__(self, name: str) -> Any:
        """What `torch.nn.Module` has beside."""


@runtime_checkable
class OwnSampling(Protocol):
    """A head that turns noise into plans in a way of its own, instead of Euler steps."""

    def sample(
        self,
        noise: Tensor,
        ego: Tensor,
        memory: Memory,
        *,
        steps: int,
        unseen: Memory | None = None,
        guidance: float = 1.0,
    ) -> Tensor:
        """Normalised waypoints [B K, L, 3] of noise of that shape, the K plans side by side.

        Args:
            noise: normal numbers, scaled as the configuration, or mining, has it.
            ego: [B, 8].
            memory: of `cache`, for B scenes.
            steps: that are asked for, where it makes steps.
            unseen: memory of one scene without states, for guided candidates (see negatives).
            guidance: 1 = what is seen alone; below, a part of what `unseen` and no ego state give:
                `u + guidance (s - u)` of the two.
        """


@dataclass
class Learned:
    """What a head of its own loss makes of a batch.

    Attributes:
        loss: scalar, in the place of L_FM: the term `action_flow` of the stage.
        plan: the normalised plans [B K, L, 3] that the other terms judge (L_RDE, terms from
            outside), with their graph.
        readouts: of the tapped blocks, for L_align.
    """

    loss: Tensor
    plan: Tensor
    readouts: dict[int, Readout] = field(default_factory=dict)


@runtime_checkable
class OwnLoss(Protocol):
    """A head that learns by a loss of its own, instead of flow matching."""

    def learn(
        self,
        clean: Tensor,
        noise: Tensor,
        ego: Tensor,
        memory: Memory,
        *,
        tap: Collection[int] = (),
        states: Sequence[Tensor] = (),
    ) -> Learned:
        """Its loss on B scenes with K draws of noise each.

        Args:
            clean: the experts' normalised waypoints [B K, L, 3], K times each, side by side.
            noise: normal numbers of that shape.
            ego: [B, 8].
            memory: of `cache`, for B scenes.
            tap: blocks (from 1) whose readouts are returned.
            states: what `cache` was given.
        """


class HeadBuilder(Protocol):
    """What is registered: a class or a function that makes a head, randomly initialised."""

    def __call__(self, config: PlannerConfig, video: VideoConfig, /) -> PlannerHead:
        """The head of a configuration for a backbone of this depth and width."""

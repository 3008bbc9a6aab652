"""What training asks of an objective about representations: one Protocol for all.

Times, taps, an extra loss, extra channels and an EMA teacher are all that the methods of the
paper's Table 2 differ in. Convention as everywhere: x_t = (1 - t) x_0 + t noise, t = 1 is noise.
Shapes: B clips, T frames, N tokens, C latent channels, D width of the backbone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from reworld_agent.objectives.baselines.encoders import FrozenEncoder
    from reworld_agent.video.backbones import VideoOutput
    from reworld_agent.video.conditioning import Grid

# Draws token times [B, N] from the protocol's distribution.
TimeDraw: TypeAlias = "Callable[[], Tensor]"
# States [B, N, D] of the EMA teacher after a block, at token times [B, N], without gradient.
Teacher: TypeAlias = "Callable[[Tensor, int], Tensor]"


@dataclass(frozen=True)
class DiTShape:
    """Sizes of the Video DiT that an objective is built for; `ratio`: frames per latent."""

    width: int
    channels: int
    depth: int
    ratio: int

    def block(self, of_28: int) -> int:
        """The block (from 1) that stands where block `of_28` stands in a DiT of 28 blocks."""
        return max(1, round(of_28 / 28 * self.depth))


@dataclass(frozen=True)
class WorldBatch:
    """One batch of video training.

    Attributes:
        clean: latents [B, N, C + extra channels]; noise: same shape.
        times: token times [B, N], 0 on the conditions; teacher_times: of the teacher, or None.
        future: boolean [N], False on condition tokens.
        frames: uint8 [B, T, 3, H, W].
        grid: latent grid.
    """

    clean: Tensor
    noise: Tensor
    times: Tensor
    teacher_times: Tensor | None
    future: Tensor
    frames: Tensor
    grid: Grid

    @property
    def noisy(self) -> Tensor:
        """x_t [B, N, C]."""
        return self.noised(self.times)

    def noised(self, times: Tensor) -> Tensor:
        """(1 - t) x_0 + t noise at token times [B, N]."""
        t = times[..., None]
        return (1 - t) * self.clean + t * self.noise


class Objective(Protocol):
    """A Stage 1 objective: a `torch.nn.Module`, reached as usual. `Representation` is its base.

    Attributes:
        weight: factor of the extra loss.
        blocks: blocks (from 1) whose student states the extra loss reads.
        mid_blocks: blocks with a velocity head in the backbone itself.
        extra_channels: channels generated beside the latent's.
        has_teacher: an EMA teacher is kept and run.
    """

    weight: float
    blocks: tuple[int, ...]
    mid_blocks: tuple[int, ...]
    extra_channels: int
    has_teacher: bool

    def fit(self, clips: Iterable[Tensor], grid: Grid) -> None:
        """Take statistics of training clips, uint8 [B, T, 3, H, W], before the first step."""

    def extend(self, clean: Tensor, frames: Tensor, grid: Grid) -> Tensor:
        """Latents [B, N, C] with the extra channels of uint8 frames [B, T, 3, H, W]."""

    def draw_times(
        self, draw: TimeDraw, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor | None]:
        """Token times [B, N] of the student, and of the teacher where there is one."""

    def generation(self, batch: WorldBatch, output: VideoOutput) -> Tensor:
        """Flow-matching loss of the latent's own channels; scalar."""

    def extra(self, batch: WorldBatch, output: VideoOutput, teacher: Teacher | None) -> Tensor:
        """The method's own loss, before its factor; scalar."""

    def __getattr__(self, name: str) -> Any:
        """What `torch.nn.Module` has beside."""


class ObjectiveBuilder(Protocol):
    """What is registered: a class or a function that makes an objective for a backbone."""

    def __call__(self, shape: DiTShape, /) -> Objective:
        """The objective for a backbone of these sizes."""


@dataclass(frozen=True)
class WithEncoder:
    """What is registered of a method that reads the features of a frozen encoder.

    Attributes:
        build: makes the objective.
        encoder: which one, a key of `encoders.KINDS`.
    """

    build: Callable[[DiTShape, FrozenEncoder], Objective]
    encoder: str

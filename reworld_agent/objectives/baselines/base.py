"""What an objective about representations may add to flow matching: one interface for all.

Times, taps, an extra loss, extra channels and an EMA teacher are all that the methods of the
paper's Table 2 differ in. Convention as everywhere: x_t = (1 - t) x_0 + t noise, t = 1 is noise.
Shapes: B clips, T frames, N tokens, C latent channels, D width of the Video DiT, E width of an
encoder's features.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reworld_agent.objectives.flow import masked_mse
from reworld_agent.video.conditioning import Grid
from reworld_agent.video.dit import VideoOutput

# Draws token times [B, N] from the protocol's distribution.
TimeDraw = Callable[[], Tensor]
# States [B, N, D] of the EMA teacher after a block, at token times [B, N], without gradient.
Teacher = Callable[[Tensor, int], Tensor]


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


class Representation(nn.Module):
    """Plain flow matching ("vanilla"): the interface, and the method that adds nothing.

    Attributes:
        weight: factor of the extra loss.
        blocks: blocks (from 1) whose student states the extra loss reads.
        mid_blocks: blocks with a velocity head in the Video DiT itself.
        extra_channels: channels generated beside the latent's.
        has_teacher: an EMA teacher is kept and run.
        encoder: frozen encoder, run on every batch's frames; None = none.
    """

    weight: float = 0.0
    extra_channels: int = 0
    has_teacher: bool = False

    def __init__(self, shape: DiTShape) -> None:
        super().__init__()
        self.shape = shape
        self.blocks: tuple[int, ...] = ()
        self.mid_blocks: tuple[int, ...] = ()

    def fit(self, clips: Iterable[Tensor], grid: Grid) -> None:
        """Take statistics of training clips, uint8 [B, T, 3, H, W], before the first step."""

    def extend(self, clean: Tensor, frames: Tensor, grid: Grid) -> Tensor:
        """Latents [B, N, C] with the extra channels of uint8 frames [B, T, 3, H, W]."""
        return clean

    def draw_times(
        self, draw: TimeDraw, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor | None]:
        """Token times [B, N] of the student, and of the teacher where there is one."""
        return draw(), None

    def generation(self, batch: WorldBatch, output: VideoOutput) -> Tensor:
        """Flow-matching loss of the latent's own channels."""
        channels = self.shape.channels
        target = (batch.noise - batch.clean)[..., :channels]
        assert output.sample is not None
        return masked_mse(output.sample[..., :channels], target, batch.future)

    def extra(self, batch: WorldBatch, output: VideoOutput, teacher: Teacher | None) -> Tensor:
        """The method's own loss, before its factor; scalar."""
        return batch.clean.new_zeros(())


def cosine_loss(student: Tensor, target: Tensor, future: Tensor) -> Tensor:
    """Mean of -cos over the generated tokens of [B, N, E]; the target takes no gradient."""
    similarity = torch.cosine_similarity(student.float(), target.detach().float(), dim=-1)
    return -similarity[:, future].mean()


def smooth_l1(student: Tensor, target: Tensor, future: Tensor, beta: float = 0.05) -> Tensor:
    """Smooth-L1 (PyTorch's `beta`) over the generated tokens; the target takes no gradient."""
    difference = student.float()[:, future], target.detach().float()[:, future]
    return nn.functional.smooth_l1_loss(*difference, beta=beta)


def mlp(sizes: Iterable[int]) -> nn.Sequential:
    """Linear layers of these widths with SiLU between them."""
    widths = list(sizes)
    layers: list[nn.Module] = []
    for inner, outer in itertools.pairwise(widths):
        layers += [nn.Linear(inner, outer), nn.SiLU()]
    return nn.Sequential(*layers[:-1])

"""The base of every objective about representations, and the losses that several share.

Shapes: B clips, T frames, N tokens, C latent channels, D width of the Video DiT, E width of an
encoder's features.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from reworld_agent.objectives.baselines.protocol import DiTShape, Teacher, TimeDraw, WorldBatch
from reworld_agent.objectives.flow import masked_mse
from reworld_agent.video.backbones import VideoOutput
from reworld_agent.video.conditioning import Grid


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
        return masked_mse(output.velocity[..., :channels], target, batch.future)

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

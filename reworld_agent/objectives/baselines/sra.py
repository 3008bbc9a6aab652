"""SRA (arXiv 2505.02831) and SRA 2 (arXiv 2601.17830): taught by its own EMA, or by the VAE."""

from __future__ import annotations

import torch
from torch import Tensor

from reworld_agent.objectives.baselines.base import Representation, mlp, smooth_l1
from reworld_agent.objectives.baselines.protocol import DiTShape, Teacher, TimeDraw, WorldBatch
from reworld_agent.video.backbones import VideoOutput

TIME_GAP = 0.2  # largest distance between the student's noise level and its teacher's


class SRA(Representation):
    """A shallow block learns what a deeper block of the EMA teacher says at less noise.

    The teacher sees the same clip and the same noise at max(0, t - U(0, 0.2)); block 8 follows
    block 20 of 28. Head on the student only: D, 2D, D. Smooth-L1 with beta 0.05, factor 0.2.
    """

    weight = 0.2
    has_teacher = True

    def __init__(self, shape: DiTShape) -> None:
        super().__init__(shape)
        self.blocks = (shape.block(8),)
        self.teacher_block = shape.block(20)
        self.head = mlp([shape.width, 2 * shape.width, shape.width])

    def draw_times(
        self, draw: TimeDraw, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor | None]:
        """The teacher's level lies below the student's, one gap for each clip."""
        times = draw()
        gap = torch.rand(len(times), 1, generator=generator, device=times.device)
        return times, (times - TIME_GAP * gap).clamp(min=0)

    def extra(self, batch: WorldBatch, output: VideoOutput, teacher: Teacher | None) -> Tensor:
        """Smooth-L1 of the head's output and the teacher's state."""
        assert teacher is not None and batch.teacher_times is not None
        target = teacher(batch.teacher_times, self.teacher_block)
        return smooth_l1(self.head(output.states[0]), target, batch.future)


class SRA2(Representation):
    """Block 8 of 28 predicts the clean latent of its own token: smooth-L1, factor 1.

    Five-layer head from D to C. Against ReWorld's mid head the target is x_0, not the velocity.
    """

    weight = 1.0

    def __init__(self, shape: DiTShape) -> None:
        super().__init__(shape)
        self.blocks = (shape.block(8),)
        self.head = mlp([shape.width] * 5 + [shape.channels])

    def extra(self, batch: WorldBatch, output: VideoOutput, teacher: Teacher | None) -> Tensor:
        """Smooth-L1 of the head's output and the clean latent."""
        return smooth_l1(self.head(output.states[0]), batch.clean, batch.future)

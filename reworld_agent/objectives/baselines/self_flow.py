"""Self-Flow (arXiv 2603.06507): two noise levels in one clip, the teacher sees the lower one."""

from __future__ import annotations

import torch
from torch import Tensor

from reworld_agent.objectives.baselines.base import Representation, cosine_loss, mlp
from reworld_agent.objectives.baselines.protocol import DiTShape, Teacher, TimeDraw, WorldBatch
from reworld_agent.video.backbones import VideoOutput

MASK_RATIO = 0.1  # share of tokens at the second level, for video


class SelfFlow(Representation):
    """t and s come from one distribution; each token takes s with probability 0.1, else t.

    The EMA teacher sees min(t, s) everywhere. Student block 0.3 depth, teacher block 0.7 depth,
    negative cosine with factor 0.8, a two-layer head.
    """

    weight = 0.8
    has_teacher = True

    def __init__(self, shape: DiTShape) -> None:
        super().__init__(shape)
        self.blocks = (max(1, round(0.3 * shape.depth)),)
        self.teacher_block = max(1, round(0.7 * shape.depth))
        self.head = mlp([shape.width, 2 * shape.width, shape.width])

    def draw_times(
        self, draw: TimeDraw, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor | None]:
        """Dual levels for the student, the lower one for the teacher."""
        t, s = draw(), draw()
        masked = torch.rand(t.shape, generator=generator, device=t.device) < MASK_RATIO
        return torch.where(masked, s, t), torch.minimum(t, s)

    def extra(self, batch: WorldBatch, output: VideoOutput, teacher: Teacher | None) -> Tensor:
        """Negative cosine of the head's output and the teacher's state."""
        assert teacher is not None and batch.teacher_times is not None
        target = teacher(batch.teacher_times, self.teacher_block)
        return cosine_loss(self.head(output.states[0]), target, batch.future)

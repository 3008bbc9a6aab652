"""ReWorld's own objective (Eq. 7) under the interface of the methods it is compared with."""

from __future__ import annotations

from torch import Tensor

from reworld_agent.objectives.baselines.base import Representation
from reworld_agent.objectives.baselines.protocol import DiTShape, Teacher, WorldBatch
from reworld_agent.objectives.intermediate import intermediate_loss
from reworld_agent.video.backbones import VideoOutput


class ReWorld(Representation):
    """Mid heads of the Video DiT predict the flow velocity: factor 0.5, block 8 of 28."""

    weight = 0.5

    def __init__(self, shape: DiTShape, mid_blocks: tuple[int, ...] | None = None) -> None:
        super().__init__(shape)
        self.mid_blocks = mid_blocks or (shape.block(8),)

    def extra(self, batch: WorldBatch, output: VideoOutput, teacher: Teacher | None) -> Tensor:
        """L_Mid."""
        return intermediate_loss(output.mid, batch.noise - batch.clean, batch.future)

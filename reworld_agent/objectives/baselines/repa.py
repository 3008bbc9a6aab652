"""REPA (arXiv 2410.06940): block 8 is aligned with a frozen encoder of the clean frames."""

from __future__ import annotations

from torch import Tensor

from reworld_agent.objectives.baselines.base import Representation, cosine_loss, mlp
from reworld_agent.objectives.baselines.encoders import FrozenEncoder
from reworld_agent.objectives.baselines.protocol import DiTShape, Teacher, WithEncoder, WorldBatch
from reworld_agent.video.backbones import VideoOutput


class REPA(Representation):
    """-cos between a three-layer projection of block 8 of 28 and the features, factor 0.5.

    The features are pooled to the latent grid. The projector's inner width is that of the Video
    DiT (2048 at full size, as in REPA).
    """

    weight = 0.5

    def __init__(self, shape: DiTShape, encoder: FrozenEncoder) -> None:
        super().__init__(shape)
        self.blocks = (shape.block(8),)
        self.encoder = encoder
        self.head = mlp([shape.width, shape.width, shape.width, encoder.width])

    def extra(self, batch: WorldBatch, output: VideoOutput, teacher: Teacher | None) -> Tensor:
        """Negative cosine of projection and features."""
        target = self.encoder.on_grid(batch.frames, batch.grid, self.shape.ratio)
        return cosine_loss(self.head(output.states[0]), target, batch.future)


REPA_DINOV2 = WithEncoder(REPA, "dinov2")
REPA_VIDEOMAEV2 = WithEncoder(REPA, "videomaev2")
REPA_DEPTH_ANYTHING3 = WithEncoder(REPA, "depth_anything3")
REPA_VJEPA2 = WithEncoder(REPA, "vjepa2")

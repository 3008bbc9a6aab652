"""Several cameras: frames one below the other, and an embedding that tells their tokens apart.

The tokens of all views are one sequence: self-attention reads across views, each view has the same
rotary positions, and a learned embedding of the view is added (NVIDIA's multi-view Cosmos models do
so, arXiv 2511.00062). It starts at zero: a model of one camera goes on as it was.
Shapes: B batch, T frames, V views, N video tokens, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from reworld_agent.core.errors import ConfigError
from reworld_agent.video.conditioning import Grid


class ViewEmbedding(nn.Module):
    """A learned vector of each view, zero at first."""

    def __init__(self, views: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(views, width)
        nn.init.zeros_(self.table.weight)

    def forward(self, grid: Grid | None) -> Tensor:
        """[1, N, D] of the tokens of a grid; ConfigError where it is not given."""
        if grid is None:
            raise ConfigError("the model has several cameras", "call it with grid=")
        found: Tensor = self.table(grid.token_views(self.table.weight.device))
        return found[None]


def view_embedding(views: int, width: int) -> ViewEmbedding | None:
    """The embedding of a model of so many views; None where it has one camera."""
    return ViewEmbedding(views, width) if views > 1 else None


def apart(frames: Tensor, views: int) -> Tensor:
    """[B, X, Y, V H, W] to [B V, X, Y, H, W]: every view a clip, or latents, of its own."""
    if views == 1:
        return frames
    return frames.unflatten(3, (views, -1)).permute(0, 3, 1, 2, 4, 5).flatten(0, 1)


def stacked(clips: Tensor, views: int) -> Tensor:
    """[B V, X, Y, H, W] to [B, X, Y, V H, W]: the views one below the other."""
    if views == 1:
        return clips
    return clips.unflatten(0, (-1, views)).permute(0, 2, 3, 1, 4, 5).flatten(3, 4)

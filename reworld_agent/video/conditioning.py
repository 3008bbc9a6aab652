"""From latents to what the Video DiT takes: tokens, positions, per-token times, masks.

Several cameras: their latents stand one below the other, [B, C, F, V H, W] for V views, so that
the tokens of a frame are those of its first view, then of its second.
Shapes: B batch, C latent channels, F latent frames (history first), V views, H, W cells of a view,
N = F * V * H * W tokens in the order frame, view, row, column.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reworld_agent.config import ClipConfig, CodecConfig


def pack(latents: Tensor) -> Tensor:
    """[B, C, F, V H, W] to tokens [B, N, C]."""
    return latents.flatten(2).transpose(1, 2)


def unpack(tokens: Tensor, grid: Grid) -> Tensor:
    """Tokens [B, N, C] back to [B, C, F, V H, W]."""
    return tokens.transpose(1, 2).unflatten(2, (grid.frames, grid.rows, grid.width))


@dataclass(frozen=True)
class Grid:
    """The latent grid of a clip: `history` clean frames, then `future` frames.

    Each frame has `views` times `height` x `width` cells.
    """

    history: int
    future: int
    height: int
    width: int
    views: int = 1

    @classmethod
    def of(cls, clip: ClipConfig, codec: CodecConfig) -> Grid:
        """The grid that this codec gives this clip."""
        return cls(
            clip.history_latents(codec.temporal_ratio),
            clip.future_latents(codec.temporal_ratio),
            clip.height // codec.spatial_ratio,
            clip.width // codec.spatial_ratio,
            clip.views,
        )

    @property
    def frames(self) -> int:
        """F, all latent frames."""
        return self.history + self.future

    @property
    def rows(self) -> int:
        """Rows of one latent frame, those of all views."""
        return self.views * self.height

    @property
    def cells(self) -> int:
        """Tokens of one latent frame."""
        return self.rows * self.width

    @property
    def tokens(self) -> int:
        """N, all tokens."""
        return self.frames * self.cells

    def future_mask(self, device: torch.device | None = None) -> Tensor:
        """Boolean [N]: True for the tokens that are generated, False for the conditions."""
        frame = torch.arange(self.tokens, device=device) // self.cells
        return frame >= self.history

    def future_tokens(self, device: torch.device | None = None) -> Tensor:
        """Numbers of the tokens that are generated: as an index, the device need not be asked."""
        return torch.arange(self.history * self.cells, self.tokens, device=device)

    def frame_times(self, t: Tensor) -> Tensor:
        """Per-frame times [B, F] of per-token ones [B, N], alike in all cells of a frame."""
        return t[:, :: self.cells]

    def token_views(self, device: torch.device | None = None) -> Tensor:
        """The view [N] of every token, from 0."""
        row = torch.arange(self.tokens, device=device) // self.width
        return row // self.height % self.views

    def token_times(self, t: Tensor) -> Tensor:
        """Per-token times [B, N]: t ([B] or [B, N]) where generated, 0 on the clean history."""
        full = t if t.ndim == 2 else t[:, None]
        return full * self.future_mask(t.device)


def latent_times(
    clip: ClipConfig, codec: CodecConfig, device: torch.device | None = None
) -> Tensor:
    """Time coordinate [F] of each latent frame.

    `index` counts latent frames (DriveLaW's planner). `seconds` gives the time of the first
    frame that a latent covers, from the start of the clip, with the causal shift of LTX: latent f
    of a causal clip starts at max(ratio * f + 1 - ratio, 0) frames. `unshifted` leaves that shift
    out: latent f is at ratio * f frames (LTX-Video's trainer, DriveLaW's and the release's).
    """
    grid = Grid.of(clip, codec)
    index = torch.arange(grid.frames, dtype=torch.float32, device=device)
    if clip.rope_time == "index":
        return index
    ratio = codec.temporal_ratio
    if clip.rope_time == "unshifted":
        return ratio * index / clip.fps
    if clip.encoding == "clip":
        return (ratio * index + 1 - ratio).clamp(min=0) / clip.fps
    later = torch.arange(grid.future, dtype=torch.float32, device=device)
    starts = ratio * later if clip.encoding == "continued" else (ratio * later + 1 - ratio)
    frames = torch.cat([index[: grid.history], grid.history + starts.clamp(min=0)])
    return frames / clip.fps


def video_coords(
    clip: ClipConfig, codec: CodecConfig, device: torch.device | None = None
) -> Tensor:
    """Positions [1, 3, N] for rotary embedding: time, row and column in pixels.

    LTX divides them by (20, 2048, 2048). Every view starts at row 0: its tokens are told from
    those of the others by the embedding of their view.
    """
    grid = Grid.of(clip, codec)
    times = latent_times(clip, codec, device)  # made where they are used: no copy to wait for
    rows = torch.arange(grid.height, dtype=torch.float32, device=device) * codec.spatial_ratio
    rows = rows.repeat(grid.views)
    columns = torch.arange(grid.width, dtype=torch.float32, device=device) * codec.spatial_ratio
    mesh = torch.meshgrid(times, rows, columns, indexing="ij")
    return torch.stack(mesh).flatten(1)[None]


@dataclass(frozen=True)
class Layout:
    """Where the tokens of a clip are: their grid, and their positions [1, 3, N]."""

    grid: Grid
    coords: Tensor

    @classmethod
    def of(cls, clip: ClipConfig, codec: CodecConfig, device: torch.device | None = None) -> Layout:
        """The layout of a clip under a codec; see `video_coords`."""
        return cls(Grid.of(clip, codec), video_coords(clip, codec, device))

"""What the model, the samplers and training need of a video backbone.

Shapes: B batch, N video tokens, D width, C latent channels, M text tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from reworld_agent.config import VideoConfig
    from reworld_agent.video.backbones.output import VideoOutput
    from reworld_agent.video.conditioning import Grid


class Condition(TypedDict):
    """The arguments of `forward` that carry the condition c^v of B samples (paper Eq. 2)."""

    encoder_hidden_states: Tensor
    encoder_attention_mask: Tensor | None
    ego: Tensor | None


class VideoBackbone(Protocol):
    """A stack of blocks over video tokens: a `torch.nn.Module`, reached as usual.

    It has `VideoConfig.num_layers` blocks, whose states have `VideoConfig.width` channels: the
    planner head is built for them. A token is one cell of the codec's latents, `spatial_ratio`
    pixels wide and high and `temporal_ratio` frames long; a backbone that joins cells to patches
    takes a codec that has folded them into channels.

    `run_backbone` is the only caller of its forward.

    Attributes:
        mid_heads: the auxiliary velocity heads, by the number of their block (from 1) as text.
    """

    mid_heads: nn.ModuleDict

    @property
    def output_parameters(self) -> tuple[str, ...]:
        """Beginnings of the names of parameters that the velocity alone needs.

        Planning reads states, and freezes them.
        """

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights; latents come in it."""

    @property
    def transformer_blocks(self) -> Iterable[nn.Module]:
        """Its blocks, which FSDP2 gathers one by one."""

    def enable_gradient_checkpointing(self) -> None:
        """Keep no activations of blocks for backward, but compute them again."""

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        timestep: Tensor,
        encoder_attention_mask: Tensor | None = None,
        *,
        video_coords: Tensor | None = None,
        tap: Collection[int] = (),
        stop_after: int | None = None,
        run_heads: bool = True,
        ego: Tensor | None = None,
        grid: Grid | None = None,
    ) -> VideoOutput:
        """Velocity of noisy latents, and the states of blocks.

        Args:
            hidden_states: noisy latents [B, N, C].
            encoder_hidden_states: text tokens [B, M, caption channels].
            timestep: 1000 t, of shape [B], or [B, T] or [1, T] where T divides N: one for each
                run of N / T tokens, such as a token or a latent frame; 0 = clean.
            encoder_attention_mask: [B, M], 1 where a text token counts; None = all.
            video_coords: [B, 3, N]: time, row and column of each token (see conditioning).
            tap: blocks (from 1) whose states are returned.
            stop_after: leave after this block; `sample` is then None.
            run_heads: evaluate the mid heads.
            ego: [B, 8] (vx, vy m/s, ax, ay m/s², command one-hot), where the configuration has
                context tokens.
            grid: of the tokens: how many frames, views, rows and columns, and which view each is
                of (`VideoConfig.views` cameras, whose positions are alike).
        """

    def __call__(self, *args: Any, **kwargs: Any) -> VideoOutput:
        """`forward`, with the hooks of `torch.nn.Module`."""

    def __getattr__(self, name: str) -> Any:
        """What `torch.nn.Module` has beside."""


class BackboneBuilder(Protocol):
    """What is registered: a class or a function that makes a backbone, randomly initialised."""

    def __call__(self, config: VideoConfig, channels: int, /) -> VideoBackbone:
        """The backbone of a configuration for latents of so many channels."""

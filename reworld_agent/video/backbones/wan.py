"""Wan 2.x as the video backbone: diffusers' Wan transformer, its block states in reach.

As `ltx`, a thin subclass that overrides `forward`. Wan 2.2 (TI2V) takes a time for each token,
which clean history needs; its code and weights are under Apache 2.0. Here a token is one latent
cell: the 2 x 2 patches of Wan's own weights are the codec's to fold into channels.

Shapes: B batch, N video tokens, D width, C latent channels, M text tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from diffusers.models.transformers.transformer_wan import (
    WanTransformer3DModel,
    WanTransformerBlock,
)
from torch import Tensor, nn
from torch.nn.functional import linear

from reworld_agent.config import VideoConfig
from reworld_agent.core.errors import ConfigError, UsageError
from reworld_agent.video.backbones.walk import walk
from reworld_agent.video.conditioning import Grid
from reworld_agent.video.context import ContextTokens
from reworld_agent.video.heads import HEADS, modulated, per_run
from reworld_agent.video.views import view_embedding

FF_FACTOR = 4  # hidden width of the feed-forward in widths, where the options do not say it


class GridRotary(nn.Module):
    """Wan's rotary table, from the indices of frame, row and column.

    The stock module keeps it in buffers that no file has, so that a model built on the meta device
    would never get them.
    """

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        space = 2 * (head_dim // 6)
        self.sizes = (head_dim - 2 * space, space, space)

    def forward(self, grid: Grid, device: torch.device) -> tuple[Tensor, Tensor]:
        """Cosines and sines [1, N, 1, head_dim] of a grid's tokens; all views are alike."""
        counts = (grid.frames, grid.height, grid.width)
        shape = (grid.frames, grid.views, grid.height, grid.width)
        indices: list[Any] = [torch.arange(count, device=device) for count in counts]
        tables = [
            get_1d_rotary_pos_embed(
                *(size, index),
                use_real=True,
                repeat_interleave_real=True,
                freqs_dtype=torch.float64,
            )
            for size, index in zip(self.sizes, indices, strict=True)
        ]
        placed = []
        for part in zip(*tables, strict=True):  # the cosines, then the sines
            time, row, column = part
            placed.append(
                torch.cat(
                    [
                        time[:, None, None, None].expand(*shape, -1),
                        row[None, None, :, None].expand(*shape, -1),
                        column[None, None, None].expand(*shape, -1),
                    ],
                    dim=-1,
                ).flatten(0, 3)[None, :, None]
            )
        return placed[0], placed[1]


class WanBlock(WanTransformerBlock):
    """The stock block; tokens that share a time share their modulation (see `heads.per_run`)."""

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        temb: Tensor,
        rotary_emb: Any,
    ) -> Tensor:
        """One block on [B, N, D]; temb [B or 1, T, 6, D] of T runs of tokens."""
        table = self.scale_shift_table[None] + temb.float()
        shift, scale, gate, ff_shift, ff_scale, ff_gate = table.unbind(dim=2)
        x = hidden_states
        normed = modulated(self.norm1(x.float()), shift, scale).type_as(x)
        x = (x.float() + per_run(self.attn1(normed, None, None, rotary_emb), gate)).type_as(x)
        normed = self.norm2(x.float()).type_as(x)
        x = x + self.attn2(normed, encoder_hidden_states, None, None)
        normed = modulated(self.norm3(x.float()), ff_shift, ff_scale).type_as(x)
        return (x.float() + per_run(self.ffn(normed).float(), ff_gate)).type_as(x)


class WanVideo(WanTransformer3DModel):
    """Wan transformer with auxiliary heads `mid_heads` after `mid_blocks` (from 1)."""

    output_parameters = ("proj_out.", "scale_shift_table", "mid_heads.")

    @register_to_config
    def __init__(
        self,
        num_attention_heads: int = 24,
        attention_head_dim: int = 128,
        in_channels: int = 192,
        out_channels: int = 192,
        text_dim: int = 4096,
        freq_dim: int = 256,
        ffn_dim: int = 14336,
        num_layers: int = 30,
        cross_attn_norm: bool = True,
        eps: float = 1e-6,
        mid_blocks: Sequence[int] = (),
        mid_head: str = "table",
        context_tokens: bool = False,
        views: int = 1,
    ) -> None:
        super().__init__(
            patch_size=(1, 1, 1),
            num_attention_heads=num_attention_heads,
            attention_head_dim=attention_head_dim,
            in_channels=in_channels,
            out_channels=out_channels,
            text_dim=text_dim,
            freq_dim=freq_dim,
            ffn_dim=ffn_dim,
            num_layers=num_layers,
            cross_attn_norm=cross_attn_norm,
            eps=eps,
        )
        width = num_attention_heads * attention_head_dim
        for block in self.blocks:
            block.__class__ = WanBlock  # built by the stock class, with its random numbers
        self.rope = GridRotary(attention_head_dim)  # type: ignore[assignment]  # in its place
        heads = {str(block): HEADS[mid_head](width, out_channels) for block in mid_blocks}
        self.mid_heads = nn.ModuleDict(heads)
        self.context_embed = ContextTokens(text_dim) if context_tokens else None
        self.view_embed = view_embedding(views, width)

    @classmethod
    def build(cls, config: VideoConfig, latent_channels: int) -> WanVideo:
        """The backbone of a configuration, randomly initialised.

        Raises:
            UsageError: heads too narrow for three rotary axes.
        """
        if config.head_dim < 6 or config.head_dim % 2:
            message = f"video.head_dim = {config.head_dim} with video.backbone=wan"
            raise UsageError(message, "use an even number of at least 6: three rotary axes")
        return cls(
            num_attention_heads=config.num_heads,
            attention_head_dim=config.head_dim,
            in_channels=latent_channels,
            out_channels=latent_channels,
            text_dim=config.caption_channels,
            ffn_dim=config.options.get("ff_dim", FF_FACTOR * config.width),
            num_layers=config.num_layers,
            mid_blocks=config.mid_blocks,
            mid_head=config.mid_head,
            context_tokens=config.context_tokens,
            views=config.views,
        )

    @property
    def transformer_blocks(self) -> nn.ModuleList:
        """Its blocks."""
        return self.blocks

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        encoder_hidden_states_image: Tensor | None = None,
        return_dict: bool = True,
        attention_kwargs: dict[str, Any] | None = None,
        *,
        grid: Grid | None = None,
        encoder_attention_mask: Tensor | None = None,
        video_coords: Tensor | None = None,
        tap: Collection[int] = (),
        stop_after: int | None = None,
        run_heads: bool = True,
        ego: Tensor | None = None,
    ) -> Any:
        """Walk the blocks; the stock arguments first, in the stock order.

        Args:
            hidden_states: noisy latents [B, N, C]; or [B, C, F, H, W], as the stock class has
                them, and the velocity too.
            timestep: 1000 t, of shape [B], or [B, T] or [1, T] where T divides N: one for each
                run of N / T tokens.
            encoder_hidden_states: text tokens [B, M, caption channels].
            encoder_attention_mask: [B, M], 1 where a text token counts; the others are zeroed,
                as Wan's text is padded (it has no mask).
            encoder_hidden_states_image: of Wan 2.1's image encoder, which this backbone has not.
            return_dict: False returns `(sample,)`.
            attention_kwargs: accepted as the stock class does (LoRA scale); not used here.
            grid: of the tokens [B, N, C]: Wan's positions are indices.
            video_coords: not used: see `grid`.
            tap: blocks (from 1) whose states are returned.
            stop_after: leave after this block; `sample` is then None.
            run_heads: evaluate the mid heads.
            ego: [B, 8] (vx, vy m/s, ax, ay m/s², command one-hot), of a model with context tokens.

        Raises:
            ConfigError: tokens without their grid, or image embeddings.
        """
        if hidden_states.ndim == 5:
            grid = Grid(0, *hidden_states.shape[2:])
            tokens = hidden_states.flatten(2).transpose(1, 2)
        else:
            tokens = hidden_states
        if grid is None or encoder_hidden_states_image is not None:
            message = "the wan backbone takes tokens with their grid, and no image embeddings"
            raise ConfigError(message, "call it with grid=")
        if encoder_attention_mask is not None:
            encoder_hidden_states = encoder_hidden_states * encoder_attention_mask[..., None].to(
                encoder_hidden_states
            )
        if self.context_embed is not None:
            encoder_hidden_states, _ = self.context_embed.append(encoder_hidden_states, None, ego)
        patch = self.patch_embedding  # of one cell: a linear layer
        x = linear(tokens, patch.weight.flatten(1), patch.bias)
        if self.view_embed is not None:
            x = x + self.view_embed(grid)
        times = timestep.view(timestep.size(0), -1)  # as Wan 2.2 has one for each token
        embedded, modulation, text, _ = self.condition_embedder(
            times.flatten(), encoder_hidden_states, timestep_seq_len=times.size(1)
        )
        inputs = (text, modulation.unflatten(2, (6, -1)), self.rope(grid, x.device))
        last, output = walk(self, x, inputs, embedded, tap, stop_after, run_heads)
        if last is None:
            return output
        shift, scale = (self.scale_shift_table[None] + embedded[:, :, None]).unbind(dim=2)
        normed = modulated(self.norm_out(last.float()), shift, scale)
        output.sample = self.proj_out(normed.type_as(last))
        if hidden_states.ndim == 5:
            output.sample = output.sample.transpose(1, 2).view_as(hidden_states)
        return output if return_dict else (output.sample,)

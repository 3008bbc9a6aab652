"""The Video DiT: diffusers' LTX transformer, with its block states and mid heads in reach.

`forward` repeats the short walk over the stock sub-modules, bit for bit, and hands out on request
the state of every block, the velocities of the mid heads, and an early exit. It overrides the
stock method rather than adding one, so that DDP, FSDP2, torch.compile and pipelines see it.

Shapes: B batch, N video tokens, D width, C latent channels, M text tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.transformers.transformer_ltx import (
    LTXVideoTransformer3DModel,
    LTXVideoTransformerBlock,
)
from torch import Tensor, nn

from reworld_agent.config import VideoConfig
from reworld_agent.core.errors import ConfigError, ReWorldError
from reworld_agent.video.backbones.output import VideoOutput
from reworld_agent.video.backbones.walk import walk
from reworld_agent.video.conditioning import Grid
from reworld_agent.video.context import ContextTokens
from reworld_agent.video.heads import HEADS, TIMESTEPS, TableHead, modulated, per_run
from reworld_agent.video.prior import LastLatentPrior
from reworld_agent.video.views import view_embedding


class VideoBlock(LTXVideoTransformerBlock):
    """The stock block; tokens that share a time share their modulation (see `heads.per_run`).

    `walked` of a forward is what a backbone's blocks share beside; these share nothing.
    """

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        temb: Tensor,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
        encoder_attention_mask: Tensor | None = None,
        walked: Any = None,
    ) -> Tensor:
        """One block on [B, N, D]; temb [B or 1, T, 6 D] of T runs of tokens."""
        factors = self._table(walked, temb.size(1)) + temb.unflatten(-1, (6, -1))
        shift, scale, gate, ff_shift, ff_scale, ff_gate = factors.unbind(dim=2)
        x = hidden_states
        mixed = self._mixed(modulated(self.norm1(x), shift, scale), image_rotary_emb, walked)
        x = x + per_run(mixed, gate)
        x = x + self.attn2(
            x,
            encoder_hidden_states=encoder_hidden_states,
            image_rotary_emb=None,
            attention_mask=encoder_attention_mask,
        )
        normed = modulated(self.norm2(x), ff_shift, ff_scale)
        return x + per_run(self._fed(normed, walked), ff_gate)

    def _table(self, walked: Any, runs: int) -> Tensor:
        """What is added to temb: [1, 1 or T, 6, D] of T runs."""
        return cast(Tensor, self.scale_shift_table)[None, None]

    def _mixed(self, x: Tensor, rope: tuple[Tensor, Tensor] | None, walked: Any) -> Tensor:
        """Self-attention [B, N, D]."""
        found: Tensor = self.attn1(
            hidden_states=x, encoder_hidden_states=None, image_rotary_emb=rope
        )
        return found

    def _fed(self, x: Tensor, walked: Any) -> Tensor:
        """The feed-forward [B, N, D]."""
        found: Tensor = self.ff(x)
        return found


class VideoDiT(LTXVideoTransformer3DModel):
    """LTX transformer with auxiliary heads `mid_heads` after `mid_blocks` (from 1)."""

    output_parameters = ("proj_out.", "scale_shift_table", "mid_heads.")

    @register_to_config
    def __init__(
        self,
        in_channels: int = 128,
        out_channels: int = 128,
        patch_size: int = 1,
        patch_size_t: int = 1,
        num_attention_heads: int = 32,
        attention_head_dim: int = 64,
        cross_attention_dim: int = 2048,
        num_layers: int = 28,
        activation_fn: str = "gelu-approximate",
        qk_norm: str = "rms_norm_across_heads",
        norm_elementwise_affine: bool = False,
        norm_eps: float = 1e-6,
        caption_channels: int = 4096,
        attention_bias: bool = True,
        attention_out_bias: bool = True,
        mid_blocks: Sequence[int] = (),
        mid_head: str = "table",
        context_tokens: bool = False,
        views: int = 1,
        prior_frames: int = 0,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            patch_size,
            patch_size_t,
            num_attention_heads,
            attention_head_dim,
            cross_attention_dim,
            num_layers,
            activation_fn,
            qk_norm,
            norm_elementwise_affine,
            norm_eps,
            caption_channels,
            attention_bias,
            attention_out_bias,
        )
        for block in self.transformer_blocks:
            block.__class__ = VideoBlock  # built by the stock class, with its random numbers
        width = num_attention_heads * attention_head_dim
        heads = {str(block): HEADS[mid_head](width, out_channels) for block in mid_blocks}
        self.mid_heads = nn.ModuleDict(heads)
        self.context_embed = ContextTokens(caption_channels) if context_tokens else None
        self.view_embed = view_embedding(views, width)
        self.prior = LastLatentPrior(prior_frames, out_channels) if prior_frames else None
        if self.prior is not None:  # starts as the closed form alone, as the mid heads do
            nn.init.zeros_(self.proj_out.weight)
            nn.init.zeros_(self.proj_out.bias)

    @classmethod
    def build(cls, config: VideoConfig, latent_channels: int) -> VideoDiT:
        """The Video DiT of a configuration, randomly initialised."""
        return cls(
            in_channels=latent_channels,
            out_channels=latent_channels,
            num_attention_heads=config.num_heads,
            attention_head_dim=config.head_dim,
            cross_attention_dim=config.width,
            num_layers=config.num_layers,
            caption_channels=config.caption_channels,
            mid_blocks=config.mid_blocks,
            mid_head=config.mid_head,
            context_tokens=config.context_tokens,
            views=config.views,
            prior_frames=config.prior_frames,
        )

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        timestep: Tensor,
        encoder_attention_mask: Tensor | None = None,
        num_frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        rope_interpolation_scale: Any = None,
        video_coords: Tensor | None = None,
        attention_kwargs: dict[str, Any] | None = None,
        return_dict: bool = True,
        *,
        tap: Collection[int] = (),
        stop_after: int | None = None,
        run_heads: bool = True,
        ego: Tensor | None = None,
        grid: Grid | None = None,
    ) -> Any:
        """Walk the blocks; the stock arguments first, in the stock order.

        Args:
            hidden_states: noisy latents [B, N, C].
            encoder_hidden_states: text tokens [B, M, caption channels].
            timestep: 1000 t, of shape [B], or [B, T] or [1, T] where T divides N: one for each
                run of N / T tokens.
            encoder_attention_mask: [B, M], 1 where a text token counts; None = all.
            num_frames: the stock way to give positions, as the next three.
            height: see `num_frames`.
            width: see `num_frames`.
            rope_interpolation_scale: see `num_frames`.
            video_coords: [B, 3, N]: time, row and column of each token (see conditioning).
            attention_kwargs: accepted as the stock class does (LoRA scale); not used here.
            return_dict: False returns `(sample,)`.
            tap: blocks (from 1) whose states are returned.
            stop_after: leave after this block; `sample` is then None.
            run_heads: evaluate the mid heads.
            ego: [B, 8] (vx, vy m/s, ax, ay m/s², command one-hot), of a model with context tokens.
            grid: of the tokens, of a model with several cameras or a prior.
        """
        if self.context_embed is not None:
            encoder_hidden_states, encoder_attention_mask = self.context_embed.append(
                encoder_hidden_states, encoder_attention_mask, ego
            )
        rope = self.rope(
            hidden_states, num_frames, height, width, rope_interpolation_scale, video_coords
        )
        bias = attention_bias(encoder_attention_mask, hidden_states.dtype)
        batch = hidden_states.size(0)
        x = self.proj_in(hidden_states)
        if self.view_embed is not None:
            x = x + self.view_embed(grid)
        temb, embedded = self.time_embed(timestep.flatten(), batch_size=batch, hidden_dtype=x.dtype)
        times = timestep.size(0)  # 1 where all samples share their times, which are embedded once
        temb = temb.view(times, -1, temb.size(-1))
        embedded = embedded.view(times, -1, embedded.size(-1))
        text = self.caption_projection(encoder_hidden_states).view(batch, -1, x.size(-1))
        inputs = (text, temb, rope, bias)
        last, output = walk(self, x, inputs, embedded, tap, stop_after, run_heads)
        if last is not None:
            table = self.scale_shift_table[None, None] + embedded[:, :, None]
            shift, scale = table.unbind(dim=2)
            output.sample = self.proj_out(modulated(self.norm_out(last), shift, scale))
        if self.prior is not None:
            self._add_prior(output, hidden_states, timestep / TIMESTEPS, grid)
        if last is None:
            return output
        return output if return_dict else (output.sample,)

    def _add_prior(
        self, output: VideoOutput, noisy: Tensor, times: Tensor, grid: Grid | None
    ) -> None:
        """Every velocity becomes the closed form plus what the network says, see `video.prior`."""
        prior = cast(LastLatentPrior, self.prior)
        if grid is None:
            message = "a Video DiT with video.prior was called without its grid"
            raise ReWorldError(message, "call it by video.backbones.run_backbone")
        for block, velocity in output.mid.items():
            output.mid[block] = prior.added(velocity, noisy, times, grid)
        if output.sample is not None:
            output.sample = prior.added(output.sample, noisy, times, grid)

    def start_head_from_output(self, block: int | str) -> None:
        """Make the head after a block a copy of the output layer, as fine-tuning starts it.

        A model on the meta device takes over the copies' device. ConfigError for a head of
        another form than the output layer's.
        """
        head = self.mid_heads[str(block)]
        if not isinstance(head, TableHead):
            message = f"mid head {block} cannot start as a copy of the output layer"
            raise ConfigError(message, "set video.mid_head: table")
        head.scale_shift_table = nn.Parameter(self.scale_shift_table.detach().clone())
        state = {key: value.clone() for key, value in self.proj_out.state_dict().items()}
        head.proj.load_state_dict(state, assign=True)


def attention_bias(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """Additive bias [B, 1, M] of a text mask [B, M], as the stock class makes it."""
    if mask is None or mask.ndim != 2:
        return mask
    return ((1 - mask.to(dtype)) * -10000.0).unsqueeze(1)

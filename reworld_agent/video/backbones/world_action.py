"""RepWAM's world-action model (arXiv 2606.13674) on LTX's blocks: the Video DiT with action tokens.

A token for each future latent carries the action that leads to it, noised at a time of its own:
clean it is a condition, noise says nothing, and both are trained. Attention is shared; action
tokens have a feed-forward, a modulation and layers in and out of their own (the paper's action
expert, at the width of the video). `joint` tokens go through the video's instead, padded to a
latent's channels (its joint model with a single head). `chunk` makes attention block-causal, so
that keys and values of past chunks can be kept (see `video.chunks`).

Shapes: B batch, N video tokens, A action tokens, n numbers of an action, D width, C latent
channels, M text tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention import FeedForward
from diffusers.models.transformers.transformer_ltx import apply_rotary_emb
from torch import Tensor, nn
from torch.nn import functional

from reworld_agent.config import VideoConfig
from reworld_agent.config.actions import JOINT, LATENT, REAL
from reworld_agent.core.errors import ReWorldError
from reworld_agent.video.backbones.action_tokens import ActionTokens
from reworld_agent.video.backbones.causal import CleanFuture, chunk_mask
from reworld_agent.video.backbones.ltx import VideoBlock, VideoDiT, attention_bias
from reworld_agent.video.backbones.output import VideoOutput
from reworld_agent.video.backbones.walk import walk
from reworld_agent.video.conditioning import Grid, Layout
from reworld_agent.video.heads import TIMESTEPS, modulated

REAL_NUMBERS = 3  # of a real action: ahead, to the left, turn
EXPERT = ("action_ff.", "action_table")  # of a block, of action tokens' own


@dataclass
class PastKeys:
    """Keys and values of past chunks, by block (from 1): [B, heads, tokens, head_dim] each.

    Attributes:
        kept: see above.
        frames: the latent frame of each token; that of an action is where it leads to.
        keep: a forward adds its own tokens'.
    """

    kept: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    frames: list[int] = field(default_factory=list)
    keep: bool = False

    def joined(self, block: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Those of a block: the past's, then these."""
        if block in self.kept:
            past = self.kept[block]
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        if self.keep:
            self.kept[block] = key, value
        return key, value

    def forget(self, before: int) -> None:
        """Drop tokens of latent frames before this one, which have left the window."""
        still = [place for place, frame in enumerate(self.frames) if frame >= before]
        if len(still) == len(self.frames):
            return
        self.frames = [self.frames[place] for place in still]
        for block, (key, value) in self.kept.items():
            self.kept[block] = key[:, :, still], value[:, :, still]


@dataclass(frozen=True)
class Walked:
    """What all blocks of a forward share.

    Attributes:
        videos: N; the tokens behind them are of actions.
        joint: those go through the video's layers.
        mask: boolean, see `chunk_mask`; None = all see all.
        past: what is seen beside; None = nothing.
    """

    videos: int
    joint: bool = False
    mask: Tensor | None = None
    past: PastKeys | None = None


class WorldActionBlock(VideoBlock):
    """LTX's block, on the tokens of the video and behind them those of actions."""

    number: int
    action_ff: FeedForward | None
    action_table: nn.Parameter | None

    @staticmethod
    def of(block: Any, number: int, width: int, hidden: int | None) -> None:
        """Make it one of a stock block: its number, and layers of action tokens' own."""
        block.__class__ = WorldActionBlock  # built by the stock class, as VideoDiT does
        block.number, block.action_ff, table = number, None, None
        if hidden is not None:
            block.action_ff = FeedForward(width, inner_dim=hidden, activation_fn="gelu-approximate")
            table = nn.Parameter(torch.randn(6, width) / width**0.5)
        block.register_parameter("action_table", table)

    def _table(self, walked: Walked, runs: int) -> Tensor:
        """[1, 1 or T, 6, D]; the T runs are single tokens where there are action tokens."""
        table, videos = super()._table(walked, runs), walked.videos
        if self.action_table is None or walked.joint or runs <= videos:
            return table
        actions = self.action_table[None, None].expand(-1, runs - videos, -1, -1)
        return torch.cat([table.expand(-1, videos, -1, -1), actions], dim=1)

    def _fed(self, x: Tensor, walked: Walked) -> Tensor:
        videos = walked.videos
        if self.action_ff is None or walked.joint or x.size(1) == videos:
            return super()._fed(x, walked)
        return torch.cat([self.ff(x[:, :videos]), self.action_ff(x[:, videos:])], dim=1)

    def _mixed(self, x: Tensor, rope: tuple[Tensor, Tensor] | None, walked: Walked) -> Tensor:
        """Self-attention of all tokens, to the past's keys and values too."""
        assert rope is not None, "of a WorldActionDiT"
        attn = self.attn1
        query = apply_rotary_emb(attn.norm_q(attn.to_q(x)), rope)
        key = apply_rotary_emb(attn.norm_k(attn.to_k(x)), rope)
        query, key, value = (
            one.unflatten(2, (attn.heads, -1)).transpose(1, 2) for one in (query, key, attn.to_v(x))
        )
        if walked.past is not None:
            key, value = walked.past.joined(self.number, key, value)
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=walked.mask)
        found: Tensor = attn.to_out[0](seen.transpose(1, 2).flatten(2))
        return found


class WorldActionDiT(VideoDiT):
    """The Video DiT with action tokens, or with block-causal attention, or with both.

    Args:
        in_channels: C; so are the next ones as `VideoDiT` has them.
        out_channels: C.
        num_attention_heads: of D.
        attention_head_dim: of D.
        num_layers: blocks.
        caption_channels: of text tokens.
        mid_blocks: blocks (from 1) with a velocity head.
        mid_head: its kind.
        context_tokens: see `VideoDiT`.
        action_numbers: n of a latent action; 0 = no action tokens.
        action_tokens: what they carry and by which layers: `latent`, `real` or `joint`.
        action_ff: hidden width of their own feed-forward; None = D.
        chunk: future latents of a chunk; None = all tokens see all.
        window: latents that a chunk sees up to its end, itself among them; None = all.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 128,
        out_channels: int = 128,
        num_attention_heads: int = 32,
        attention_head_dim: int = 64,
        num_layers: int = 28,
        caption_channels: int = 4096,
        mid_blocks: Sequence[int] = (),
        mid_head: str = "table",
        context_tokens: bool = False,
        action_numbers: int = 0,
        action_tokens: str = LATENT,
        action_ff: int | None = None,
        chunk: int | None = None,
        window: int | None = None,
    ) -> None:
        width = num_attention_heads * attention_head_dim
        super().__init__(
            in_channels=in_channels,
            out_channels=out_channels,
            num_attention_heads=num_attention_heads,
            attention_head_dim=attention_head_dim,
            cross_attention_dim=width,
            num_layers=num_layers,
            caption_channels=caption_channels,
            mid_blocks=mid_blocks,
            mid_head=mid_head,
            context_tokens=context_tokens,
        )
        self.chunk, self.window, self.kind = chunk, window, action_tokens
        real = action_numbers > 0 and action_tokens == REAL
        self.action_numbers = REAL_NUMBERS if real else action_numbers
        hidden = (action_ff or width) if action_numbers else None
        for number, block in enumerate(self.transformer_blocks, 1):
            WorldActionBlock.of(block, number, width, hidden)
        sizes = {LATENT: action_numbers, REAL: REAL_NUMBERS} if action_numbers else {}
        self.action_in = nn.ModuleDict({k: nn.Linear(n, width) for k, n in sizes.items()})
        self.action_out = nn.ModuleDict({k: nn.Linear(width, n) for k, n in sizes.items()})
        # tells joint tokens from the video's, whose layer they go in by
        kind = nn.Parameter(torch.zeros(width)) if action_numbers else None
        self.register_parameter("action_type", kind)

    @classmethod
    def build(cls, config: VideoConfig, latent_channels: int) -> WorldActionDiT:
        """The backbone of a configuration, randomly initialised."""
        options: Mapping[str, Any] = config.options
        return cls(
            in_channels=latent_channels,
            out_channels=latent_channels,
            num_attention_heads=config.num_heads,
            attention_head_dim=config.head_dim,
            num_layers=config.num_layers,
            caption_channels=config.caption_channels,
            mid_blocks=config.mid_blocks,
            mid_head=config.mid_head,
            context_tokens=config.context_tokens,
            action_numbers=config.action_numbers,
            action_tokens=config.action_tokens,
            action_ff=options.get("action_ff"),
            chunk=options.get("chunk"),
            window=options.get("window"),
        )

    @property
    def output_parameters(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the video, and of actions."""
        return (*VideoDiT.output_parameters, "action_out.")

    @property
    def idle_parameters(self) -> tuple[str, ...]:
        """Beginnings of the names of those that only action tokens of another kind need."""
        used = {f"action_in.{self.kind}", f"action_out.{self.kind}"}
        joint = self.kind == JOINT
        layers = {f"{way}.{kind}" for way in ("action_in", "action_out") for kind in self.action_in}
        blocks = range(len(self.transformer_blocks)) if joint else ()
        experts = [f"transformer_blocks.{block}.{part}" for block in blocks for part in EXPERT]
        own = () if joint else ("action_type",)
        return (*own, *(f"{layer}." for layer in sorted(layers - used)), *experts)

    def forward(self, hidden_states: Tensor, *stock: Any, **more: Any) -> Any:
        """Walk the blocks.

        Args:
            hidden_states: noisy latents [B, N, C].
            stock: none.
            more: keywords of `VideoDiT.forward`, of which text, times, `video_coords` and `grid`
                must be given; `actions`, an `ActionTokens` (None: nothing is known of them);
                `chunk`, another number of latents than the model's own; `clean`, a
                `CleanFuture` that is seen beside, of a model with chunks; and `past`, a
                `PastKeys`: the tokens are then of one chunk, and their actions are given.
        """
        if stock or more.get("video_coords") is None or more.get("grid") is None:
            message = "the world_action backbone takes tokens with their places, by keywords"
            raise ReWorldError(message, "call it by video.backbones.run_backbone")
        return self._forward(hidden_states, **more)

    def _forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        timestep: Tensor,
        video_coords: Tensor,
        grid: Grid,
        encoder_attention_mask: Tensor | None = None,
        tap: Collection[int] = (),
        stop_after: int | None = None,
        run_heads: bool = True,
        ego: Tensor | None = None,
        actions: ActionTokens | None = None,
        chunk: int | None = None,
        clean: CleanFuture | None = None,
        past: PastKeys | None = None,
    ) -> VideoOutput:
        if self.context_embed is not None:
            encoder_hidden_states, encoder_attention_mask = self.context_embed.append(
                encoder_hidden_states, encoder_attention_mask, ego
            )
        layout, own = Layout(grid, video_coords), hidden_states.size(1)
        if self.action_numbers and actions is None:
            actions = ActionTokens.unknown(hidden_states, self.action_numbers, layout)
        known = 0 if actions is None else actions.values.size(1)
        if clean is not None:
            if actions is not None:
                unknown = ActionTokens.unknown(hidden_states, self.action_numbers, layout)
                actions = actions.followed_by(clean.actions or unknown)
            timestep = timestep.view(timestep.size(0), -1)
            hidden_states, timestep, video_coords = clean.behind(hidden_states, timestep, layout)
        videos = hidden_states.size(1)
        x = self.proj_in(hidden_states)
        if actions is not None:
            x = torch.cat([x, self._entered(actions.values)], dim=1)
            timestep = _token_times(timestep, videos, actions)
            video_coords = torch.cat([video_coords, actions.coords], dim=2)
        batch, times = x.size(0), timestep.size(0)
        rope = self.rope(x, video_coords=video_coords)
        temb, embedded = self.time_embed(timestep.flatten(), batch_size=batch, hidden_dtype=x.dtype)
        temb = temb.view(times, -1, temb.size(-1))
        embedded = embedded.view(times, -1, embedded.size(-1))
        text = self.caption_projection(encoder_hidden_states).view(batch, -1, x.size(-1))
        bias = attention_bias(encoder_attention_mask, x.dtype)
        mask = None if past is not None else self._mask(layout, known, chunk, clean is not None)
        walked = Walked(videos, self.kind == JOINT, mask, past)
        inputs = (text, temb, rope, bias, walked)
        last, output = walk(self, x, inputs, embedded, tap, stop_after, run_heads)
        output.mid = {block: velocity[:, :own] for block, velocity in output.mid.items()}
        output.states = [state[:, :own] for state in output.states]
        if last is not None:
            shift, scale = (self.scale_shift_table[None, None] + embedded[:, :, None]).unbind(dim=2)
            final = modulated(self.norm_out(last), shift, scale)
            output.sample = self.proj_out(final[:, :own])
            acted = final[:, videos : videos + known]
            output.actions = None if actions is None else self._left(acted)
        return output

    def _mask(self, layout: Layout, actions: int, chunk: int | None, beside: bool) -> Tensor | None:
        length = chunk or self.chunk
        if length:
            return chunk_mask(layout, length, actions, self.window, beside)
        if beside:
            message = "a clean future beside the noised one, but the model is not of chunks"
            raise ReWorldError(message, "give the backbone its option chunk")
        return None

    def _entered(self, values: Tensor) -> Tensor:
        """Action tokens [B, A, n] at the width of the blocks."""
        values = values.to(self.dtype)
        if self.kind != JOINT:
            found: Tensor = self.action_in[self.kind](values)
            return found
        assert self.action_type is not None, "of a model with actions"
        padding = self.proj_in.in_features - values.size(2)
        return self.proj_in(functional.pad(values, (0, padding))) + self.action_type

    def _left(self, final: Tensor) -> Tensor:
        """Their velocity [B, A, n], from what the blocks made of them."""
        if self.kind != JOINT:
            found: Tensor = self.action_out[self.kind](final)
            return found
        return self.proj_out(final)[..., : self.action_numbers]


def _token_times(timestep: Tensor, videos: int, actions: ActionTokens) -> Tensor:
    """1000 t of every token [B or 1, N + A]; those of the video are of T runs."""
    whole = timestep.view(timestep.size(0), -1)
    video = whole.repeat_interleave(videos // whole.size(1), dim=1)
    own = (actions.times * TIMESTEPS).to(video)
    most = max(video.size(0), own.size(0))
    return torch.cat([video.expand(most, -1), own.expand(most, -1)], dim=1)

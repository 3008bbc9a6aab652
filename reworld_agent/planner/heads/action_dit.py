"""The Action DiT: waypoints that denoise while reading the Video DiT's states, block by block.

Block: RMS norm, modulation, self-attention, gate; cross-attention to the output of the video
block of the same number (no norm, no gate); RMS norm, modulation, SwiGLU, gate. 131,266,563
parameters at the paper's size.
Shapes: B scenes, K plans per scene, L waypoints, D width, N video tokens, V video width.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import cast

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.normalization import AdaLayerNormSingle
from torch import Tensor, nn
from torch.nn.functional import rms_norm

from reworld_agent.config import PlannerConfig, VideoConfig
from reworld_agent.core.errors import ConfigError
from reworld_agent.planner.heads.protocol import ActionOutput, Memory, Readout
from reworld_agent.planner.layers import (
    Attention,
    EgoEmbedding,
    KeyValue,
    ReadoutProjector,
    SwiGLU,
    rotary_table,
)

EPS = 1e-6


class ActionBlock(nn.Module):
    """One block."""

    def __init__(self, width: int, heads: int, ff_dim: int, video_width: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads, width)
        self.cross = Attention(width, heads, video_width)
        self.ff = SwiGLU(width, ff_dim)
        self.scale_shift_table = nn.Parameter(torch.randn(6, width) / width**0.5)

    def forward(self, x: Tensor, temb: Tensor, memory: KeyValue | None, angles: Tensor) -> Readout:
        """One block on x [B K, L, D]; modulation temb [B or B K, 1 or L, 6 D], memory of B.

        Without a memory nothing is read.
        """
        table = self.scale_shift_table + temb.unflatten(-1, (6, -1))
        shift, scale, gate, ff_shift, ff_scale, ff_gate = table.unbind(dim=-2)
        width = (x.size(-1),)
        plans, modulated = x.shape, (temb.size(0), -1, x.size(-1))
        x = x.reshape(modulated)
        normed = (rms_norm(x, width, eps=EPS) * (1 + scale) + shift).view(plans)
        mixed = self.attn(normed, self.attn.key_value(normed, angles), angles)
        x = x + gate * mixed.view(modulated)
        readout = torch.zeros_like(x)
        if memory is not None:
            # the K plans of a scene ask side by side: no copies of its keys and values
            asking = x.reshape(memory[0].size(0), -1, x.size(-1))
            readout = self.cross(asking, memory).reshape(modulated)
        state = x + readout
        normed = rms_norm(state, width, eps=EPS) * (1 + ff_scale) + ff_shift
        output = state + ff_gate * self.ff(normed)
        return Readout(*(stream.reshape(plans) for stream in (x, state, readout, output)))


class ActionDiT(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers' bases disagree
    """Velocity of noisy waypoints, given the video states of a scene and its ego state."""

    alignment_parameters = ("projectors.",)

    @register_to_config
    def __init__(
        self,
        num_layers: int = 28,
        num_heads: int = 16,
        head_dim: int = 32,
        video_width: int = 2048,
        ff_dim: int = 512,
        ego_hidden: int = 1024,
        ego_scale: Sequence[float] = (1.0,) * 8,
        horizon: int = 8,
        round_times: bool = False,
        projected_blocks: Sequence[int] = (),
        waypoint_embedding: bool = False,
    ) -> None:
        super().__init__()
        width = num_heads * head_dim
        self.width, self.horizon, self.round_times = width, horizon, round_times
        self.proj_in = nn.Linear(3, width)
        # a third of what proj_in makes of unit noise
        learned = nn.Parameter(torch.randn(horizon, width) * 0.2) if waypoint_embedding else None
        self.register_parameter("waypoints", learned)
        self.time_embed = AdaLayerNormSingle(width, use_additional_conditions=False)
        self.ego_embed = EgoEmbedding(tuple(ego_scale), ego_hidden, width)
        self.blocks = nn.ModuleList(
            ActionBlock(width, num_heads, ff_dim, video_width) for _ in range(num_layers)
        )
        self.norm_out = nn.LayerNorm(width, eps=EPS, elementwise_affine=False)
        self.scale_shift_table = nn.Parameter(torch.randn(2, width) / width**0.5)
        self.proj_out = nn.Linear(width, 3)
        self.projectors = nn.ModuleDict(
            {str(block): ReadoutProjector(video_width, width) for block in projected_blocks}
        )

    @classmethod
    def build(cls, config: PlannerConfig, video: VideoConfig) -> ActionDiT:
        """The Action DiT of a configuration, randomly initialised; it starts from velocity 0."""
        model = cls(
            num_layers=video.num_layers,
            num_heads=config.num_heads,
            head_dim=config.head_dim,
            video_width=video.width,
            ff_dim=config.ff_dim,
            ego_hidden=config.ego_hidden,
            ego_scale=config.ego_scale,
            horizon=config.horizon,
            round_times=config.round_times,
            projected_blocks=config.projected_blocks,
            waypoint_embedding=config.waypoint_embedding,
        )
        film = model.ego_embed.film[2]
        for layer in (model.proj_out, film):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        return model

    def cache(self, states: Sequence[Tensor]) -> list[KeyValue]:
        """Keys and values of every block, from the video states [B, N, V] of every block.

        Of the first blocks alone where there are no more states (`planner.read_blocks`). They
        depend on neither the noisy plan nor its time: computed once, read by every step.
        """
        pairs = zip(self.blocks, states, strict=False)
        return [cast(ActionBlock, block).cross.key_value(state) for block, state in pairs]

    def forward(
        self,
        actions: Tensor,
        t: Tensor,
        ego: Tensor,
        memory: Memory,
        *,
        tap: Collection[int] = (),
        states: Sequence[Tensor] = (),
    ) -> ActionOutput:
        """Velocity of K plans for each of B scenes.

        Args:
            actions: noisy normalised waypoints [B K, L, 3], the K plans of a scene side by side.
            t: times [B K], [1] for all alike or, one for each waypoint, [B K, L]; 1 = noise.
            ego: [B, 8].
            memory: see `cache`; for B scenes.
            tap: blocks (from 1) whose readouts are returned.
            states: what `cache` was given; tapped blocks with a projector read it once more.
        """
        plans = actions.size(0) // ego.size(0)
        x = self.proj_in(actions)
        x = x if self.waypoints is None else x + self.waypoints
        times = t.flatten() * 1000
        temb, embedded = self.time_embed(
            times.round() if self.round_times else times,
            batch_size=actions.size(0),
            hidden_dtype=x.dtype,
        )
        temb = temb.view(t.size(0), -1, temb.size(-1))
        embedded = embedded.view(t.size(0), -1, embedded.size(-1))
        conditions = self.ego_embed(ego.to(x))
        if t.size(0) > 1:
            conditions = conditions.repeat_interleave(plans, dim=0)
        temb = temb + conditions[:, None]
        angles = rotary_table(self.horizon, self.width, x.device)
        output = ActionOutput(x)
        for number, (block, pair) in enumerate(zip_longest(self.blocks, memory), 1):
            result = block(x, temb, pair, angles)
            x = result.output
            if number in tap:
                output.readouts[number] = self._with_projection(number, result, states)
        shift, scale = (self.scale_shift_table + embedded[:, :, None]).unbind(dim=2)
        output.velocity = self.proj_out(self.norm_out(x) * (1 + scale) + shift)
        return output

    def _with_projection(self, number: int, readout: Readout, states: Sequence[Tensor]) -> Readout:
        """The readout with its `projected`, where the block (from 1) has a projector."""
        if str(number) not in self.projectors:
            return readout
        if not states:
            raise ConfigError(
                f"the projected readout of block {number} needs the video states",
                "call the Action DiT with states=, the list that cache() was given",
            )
        source, block = states[number - 1].detach(), cast(ActionBlock, self.blocks[number - 1])
        scenes, query = source.size(0), readout.query
        weights = block.cross.head_mean(query.view(scenes, -1, self.width), source)
        projected = self.projectors[str(number)](weights, source)
        return replace(readout, projected=projected.view_as(query))

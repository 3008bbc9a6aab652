"""Imagining chunk after chunk, with the keys and values of past chunks kept.

Attention is block-causal (see `backbones.world_action`): what a clean past chunk makes of itself
does not change with what follows, and is computed once. That is what a whole forward would give.
What has left the window of all chunks to come is dropped.
Shapes: B batch, N tokens, C latent channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reworld_agent.config.sigmas import SCHEDULES
from reworld_agent.core.errors import ConfigError
from reworld_agent.video.backbones import Condition, run_backbone
from reworld_agent.video.backbones.action_tokens import ActionTokens
from reworld_agent.video.backbones.output import VideoOutput
from reworld_agent.video.backbones.world_action import PastKeys, WorldActionDiT
from reworld_agent.video.conditioning import Layout
from reworld_agent.video.sampler import Guidance, guided_velocity

NO_CHUNKS = "train one with video.backbone=world_action and its option chunk"


@dataclass(frozen=True)
class ChunkSampler:
    """What imagines a future chunk by chunk.

    Attributes:
        dit: with block-causal attention.
        condition: of the B samples.
        layout: of the whole clip.
        guidance: self-guidance; None = off.
        round_times: of the model's configuration.
        actions: that lead to the future; None = nothing is known of them.

    Raises:
        ConfigError: the DiT's attention is not block-causal.
    """

    dit: WorldActionDiT
    condition: Condition
    layout: Layout
    guidance: Guidance | None = None
    round_times: bool = False
    actions: ActionTokens | None = None

    def __post_init__(self) -> None:
        """See the class."""
        if not self.dit.chunk:
            message = "the model is not of chunks: its tokens see all of the future"
            raise ConfigError(message, NO_CHUNKS)

    @torch.no_grad()
    def sample(self, condition: Tensor, noise: Tensor, steps: int, schedule: str) -> Tensor:
        """All latents [B, N, C]: those of the history as given, then chunks from noise.

        Args:
            condition: [B, N, C], of which the history is read.
            noise: [B, N, C].
            steps: Euler steps of a chunk.
            schedule: of their noise levels, see `config.sigmas`.
        """
        grid, past = self.layout.grid, PastKeys()
        latents, chunk = condition.clone(), self.dit.chunk
        levels = SCHEDULES[schedule](steps)
        self.run(latents, 0.0, (0, grid.history), past, keep=True)
        for first in range(grid.history, grid.frames, chunk or grid.future):
            frames = (first, min(first + (chunk or grid.future), grid.frames))
            tokens = slice(*(frame * grid.cells for frame in frames))
            latents[:, tokens] = noise[:, tokens]
            for level, following in zip(levels, [*levels[1:], 0.0], strict=True):
                step = (following - level) * self._velocity(latents, level, frames, past)
                latents[:, tokens] += step
            if frames[1] < grid.frames:
                self.run(latents, 0.0, frames, past, keep=True)
        return latents

    def _velocity(
        self, latents: Tensor, level: float, frames: tuple[int, int], past: PastKeys
    ) -> Tensor:
        """Of the latents of some frames, at the noise level, guided where asked."""
        guidance = self.guidance
        guided = guidance is not None and guidance.low <= level <= guidance.high
        output = self.run(latents, level, frames, past, heads=guided)
        if guidance is None or not guided:
            return output.velocity
        block = guidance.block or min(output.mid)
        return guided_velocity(output.mid[block], output.velocity, guidance.gamma)

    def run(
        self,
        latents: Tensor,
        level: float,
        frames: tuple[int, int],
        past: PastKeys,
        *,
        keep: bool = False,
        heads: bool = False,
    ) -> VideoOutput:
        """One forward of the tokens of frames `frames[0]` to `frames[1]` - 1, behind the past.

        Args:
            latents: of the whole clip, [B, N, C].
            level: t of those frames.
            frames: numbers of latent frames.
            past: what they see beside.
            keep: their keys and values become the past's.
            heads: evaluate the mid heads.
        """
        grid, (first, last) = self.layout.grid, frames
        tokens = slice(first * grid.cells, last * grid.cells)
        actions, numbers = self.actions, self.dit.action_numbers
        if numbers and actions is None:
            actions = ActionTokens.unknown(latents, numbers, self.layout)
        if actions is not None:
            actions = actions.part(max(first - grid.history, 0), max(last - grid.history, 0))
        if self.dit.window:
            past.forget(last - self.dit.window)
        past.keep = keep
        if keep:
            past.frames += [frame for frame in range(first, last) for _ in range(grid.cells)]
            past.frames += range(max(first, grid.history), last) if actions is not None else []
        return run_backbone(
            *(self.dit, latents[:, tokens], latents.new_full((1, 1), level)),
            Layout(grid, self.layout.coords[:, :, tokens]),
            self.condition,
            run_heads=heads,
            round_times=self.round_times,
            actions=actions,
            past=past,
        )

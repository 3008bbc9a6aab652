"""One method of Table 2 in training: Video DiT, objective, EMA.

Shapes: B clips, T frames, N tokens, C latent channels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from reworld_agent.objectives.baselines import Objective, WorldBatch
from reworld_agent.objectives.flow import draw_token_times
from reworld_agent.training.losses import require_finite
from reworld_agent.training.table2_protocol import Protocol
from reworld_agent.video.backbones import (
    Condition,
    VideoBackbone,
    VideoOutput,
    build_backbone,
    condition_of,
    run_backbone,
)
from reworld_agent.video.codecs import Codec
from reworld_agent.video.conditioning import Grid, Layout, pack, video_coords
from reworld_agent.video.encoding import encode_history


def grid_of(protocol: Protocol) -> Grid:
    """Latent grid of a protocol's clip."""
    return Grid.of(protocol.clip, protocol.codec)


def build_dit(protocol: Protocol, objective: Objective) -> VideoBackbone:
    """The backbone of a protocol, with the heads and channels that a method asks for."""
    video = replace(protocol.video, mid_blocks=objective.mid_blocks)
    return build_backbone(video, protocol.codec.latent_channels + objective.extra_channels)


class WorldModule(LightningModule):
    """Trains a Video DiT from scratch by flow matching and one method's objective.

    Args:
        protocol: sizes and optimiser.
        representation: the method.
        codec: frozen, see `video.codecs`.
        seed: of noise and times, which depend on it and on the step alone: all methods see the
            same draws as far as they draw alike.
    """

    def __init__(
        self, protocol: Protocol, representation: Objective, codec: Codec, seed: int = 0
    ) -> None:
        super().__init__()
        self.strict_loading = False  # see on_save_checkpoint
        self.protocol, self.representation, self.seed = protocol, representation, seed
        self.codec = codec.requires_grad_(False).eval()
        self.dit = build_dit(protocol, representation)
        self.averaged = AveragedModel(
            cast(nn.Module, self.dit), multi_avg_fn=get_ema_multi_avg_fn(protocol.ema_decay)
        ).requires_grad_(False)
        self.coords: Tensor
        self.register_buffer("coords", video_coords(protocol.clip, protocol.codec), False)

    @torch.no_grad()
    def latents(self, frames: Tensor) -> Tensor:
        """Clean tokens [B, N, C] of uint8 frames [B, T, 3, H, W]."""
        return pack(encode_history(self.codec, self.protocol.clip, frames)).to(self.dit.dtype)

    def batch(
        self, latents: Tensor, frames: Tensor, generator: torch.Generator | None
    ) -> WorldBatch:
        """Clean tokens with the method's channels, noise, and the times that the method wants."""
        protocol, grid = self.protocol, grid_of(self.protocol)
        with torch.no_grad():
            clean = self.representation.extend(latents, frames, grid)
        # an index must have values, also where operations are counted on the meta device
        future = grid.future_mask(None if clean.is_meta else clean.device)

        def draw() -> Tensor:
            kinds = protocol.video_times, protocol.video_distribution
            return draw_token_times(len(frames), grid.frames, grid.cells, *kinds, generator, clean)

        student, teacher = self.representation.draw_times(draw, generator)
        noise = torch.randn(
            clean.shape, generator=generator, device=clean.device, dtype=clean.dtype
        )
        teacher = None if teacher is None else grid.token_times(teacher)
        times = grid.token_times(student)
        return WorldBatch(clean, noise, times, teacher, future, frames, grid)

    def run(self, dit: Any, tokens: Tensor, times: Tensor, **how: Any) -> VideoOutput:
        """One forward of a Video DiT on tokens [B, N, C] at token times [B, N], without text."""
        return run_backbone(dit, tokens, times, self.layout, self.condition(len(tokens)), **how)

    @property
    def layout(self) -> Layout:
        """Where the tokens are."""
        return Layout(grid_of(self.protocol), self.coords)

    def condition(self, batch: int) -> Condition:
        """The null text of B clips: these models are not conditioned."""
        width = self.protocol.video.caption_channels
        text = torch.zeros(batch, 1, width, device=self.coords.device, dtype=self.dit.dtype)
        return condition_of(text)

    def loss(
        self, latents: Tensor, frames: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of clean tokens [B, N, C] and their uint8 frames [B, T, 3, H, W]; its terms."""
        batch, method = self.batch(latents, frames, generator), self.representation
        output = self.run(self.dit, batch.noisy, batch.times, tap=method.blocks)

        def teacher(times: Tensor, block: int) -> Tensor:
            with torch.no_grad():
                noised = batch.noised(times)
                how = {"tap": (block,), "stop_after": block, "run_heads": False}
                return self.run(self.averaged, noised, times, **how).states[0]

        generation = method.generation(batch, output)
        extra = method.extra(batch, output, teacher if method.has_teacher else None)
        total = generation + method.weight * extra
        terms = {"loss": total, "generation": generation, "extra": extra}
        return total, {name: value.detach() for name, value in terms.items()}

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Loss of a batch of frames uint8 [B, T, 3, H, W]; DataError where it is not finite."""
        return self.step_loss(batch, batch_idx, f"at step {self.global_step}")

    def step_loss(self, frames: Tensor, batch_idx: int, where: str) -> Tensor:
        """Loss of a batch, logged; NotFiniteError says `where`."""
        generator = torch.Generator(self.device)
        generator.manual_seed((self.seed * 1_000_003 + batch_idx) * 4099 + self.global_rank)
        total, logs = self.loss(self.latents(frames), frames, generator)
        require_finite(total, where)
        self.log_dict({f"train/{k}": v for k, v in logs.items()}, batch_size=len(frames))
        return total

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """The average follows each step."""
        super().optimizer_step(*args, **kwargs)
        self.follow()

    def follow(self) -> None:
        """Let the averaged weights follow those that learn."""
        self.averaged.update_parameters(cast(nn.Module, self.dit))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Frozen encoders are built anew from their folder."""
        state = checkpoint["state_dict"]
        frozen = "representation.encoder."
        checkpoint["state_dict"] = {k: v for k, v in state.items() if not k.startswith(frozen)}

    def configure_optimizers(self) -> Any:
        """AdamW without weight decay, linear warm-up, then constant."""
        learnt = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(learnt, self.protocol.learning_rate, weight_decay=0.0)
        warmup = max(1, self.protocol.warmup_steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1.0, (step + 1) / warmup)
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

"""The loop that trains a codec: each step a function of seed and number, so that a stop is no loss.

Shapes: B clips, T frames, C latent channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from reworld_agent.core.atomic import write_atomically
from reworld_agent.core.errors import WeightsError
from reworld_agent.model.tensor_files import check_body
from reworld_agent.training.codec.adversary import Adversary
from reworld_agent.training.codec.encoders import Alignment
from reworld_agent.training.codec.frames import Frames, drawn
from reworld_agent.training.codec.settings import CodecTrainSettings
from reworld_agent.training.losses import require_finite
from reworld_agent.video.codecs import Codec
from reworld_agent.video_metrics.lpips_network import Lpips

WARMUP, WARMUP_SHARE = 50, 0.1  # steps at most, and of all steps
LEAST_RATE = 0.02  # of the learning rate, at the end
CHECKPOINT = "codec.ckpt"


@dataclass
class CodecRun:
    """A codec between two steps.

    Attributes:
        codec: that learns.
        average: a copy that follows it.
        optimizer: its own.
        align: what the latents are aligned with, and the projection that learns it; None = nothing.
        adversary: what judges restored frames, and learns beside; None = there is none.
        step: optimiser steps behind it.
    """

    codec: Codec
    average: Codec
    optimizer: torch.optim.Optimizer
    align: Alignment | None = None
    adversary: Adversary | None = None
    step: int = 0

    def save(self, file: Path) -> None:
        """Write all of it, whole or not at all; raises DataError."""
        state = {
            "codec": self.codec.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        if self.align is not None:
            state["project"] = self.align.project.state_dict()
        if self.adversary is not None:
            state["adversary"] = self.adversary.state_dict()
        write_atomically(file, lambda partial: torch.save(state, partial))

    def load(self, file: Path) -> None:
        """Take up what `save` has written; WeightsError where it is damaged."""
        try:
            check_body(file)
            state = torch.load(file, map_location="cpu", weights_only=True)
            self.codec.load_state_dict(state["codec"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.align is not None:
                self.align.project.load_state_dict(state["project"])
            if self.adversary is not None:
                self.adversary.load_state_dict(state["adversary"])
            self.step = int(state["step"])
        except Exception as error:  # a file cut short makes torch raise nearly anything
            message = f"{file} is no readable checkpoint: {error}"
            raise WeightsError(message, "set resume=false to start over") from error


def codec_loss(
    codec: Codec,
    pixels: Tensor,
    settings: CodecTrainSettings,
    generator: torch.Generator,
    lpips: Lpips | None = None,
    align: Alignment | None = None,
    adversary: Adversary | None = None,
) -> tuple[Tensor, Tensor]:
    """The loss of clips [B, 3, T, H, W] in [-1, 1], and the clips as they are restored, float32.

    mse · MSE + l1 · L1 + lpips · LPIPS + kl · KL + align · L_align (see `Alignment`)
    + adversarial · L_gan (see `Adversary`).

    Latents are decoded with noise of standard deviation `spread`, as samples of a posterior of that
    spread: its divergence from N(0, 1) is ½ (z² + spread² - 1 - log spread²), of which z² learns.
    """
    bf16 = settings.precision == "bf16-mixed"
    with torch.autocast(pixels.device.type, torch.bfloat16, enabled=bf16):
        latents = codec.encode(pixels).latent_dist.mode()
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        found = codec.decode(latents + settings.spread * noise).sample
    found = found.float()
    error = found - pixels
    loss = settings.mse * error.square().mean() + settings.l1 * error.abs().mean()
    loss = loss + settings.kl * 0.5 * latents.float().square().mean()
    if lpips is not None and settings.lpips > 0:
        pair = [x.transpose(1, 2).flatten(0, 1) for x in (found, pixels)]
        distance = lpips.distance(*(lpips.features(x) for x in pair)).mean()
        loss = loss + settings.lpips * distance
    if align is not None:
        loss = loss + settings.align * align(latents.float(), pixels)
    if adversary is not None:
        loss = loss + settings.adversarial * adversary.generator_loss(found)
    return loss, found


def train(
    run: CodecRun,
    frames: Frames,
    settings: CodecTrainSettings,
    cell: int,
    checkpoint: Path,
    lpips: Lpips | None = None,
) -> None:
    """Steps up to `settings.steps`, with a checkpoint every so many.

    Raises:
        NotFiniteError: the loss is not finite; the last checkpoint is kept.
        DataError: frames cannot be read, or the disk is full.
    """
    device = next(iter(run.codec.parameters())).device
    ratio = run.codec.temporal_ratio
    bar = tqdm(total=settings.steps, initial=run.step, desc="training the codec", unit="step")
    with bar:
        while run.step < settings.steps:
            clips = drawn(frames, settings, ratio, cell, run.step).to(device)
            losses = _stepped(run, clips.float() / 127.5 - 1, settings, lpips)
            bar.update()
            shown = {name: f"{loss.item():.4f}" for name, loss in losses.items()}
            bar.set_postfix(shown, refresh=False)
            if run.step % settings.checkpoint_steps == 0 and run.step < settings.steps:
                run.save(checkpoint)


def _stepped(
    run: CodecRun, pixels: Tensor, settings: CodecTrainSettings, lpips: Lpips | None
) -> dict[str, Tensor]:
    """One step of all that learns, on clips [B, 3, T, H, W] in [-1, 1]; its losses by name."""
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + run.step)
    adversary = run.adversary if run.step >= settings.adversary_begins else None
    now = rate(settings, run.step)
    for group in run.optimizer.param_groups:
        group["lr"] = now
    loss, found = codec_loss(run.codec, pixels, settings, generator, lpips, run.align, adversary)
    require_finite(loss, f"at step {run.step}")
    run.optimizer.zero_grad()
    loss.backward()
    learned = [p for group in run.optimizer.param_groups for p in group["params"]]
    nn.utils.clip_grad_norm_(learned, 1.0)
    run.optimizer.step()
    losses = {"loss": loss.detach()}
    if adversary is not None:
        losses["discriminator"] = adversary.learn(pixels, found.detach(), now)
        require_finite(losses["discriminator"], f"of the discriminator at step {run.step}")
    run.step += 1
    _follow(run, settings.ema_decay)
    return losses


def rate(settings: CodecTrainSettings, step: int) -> float:
    """Learning rate of a step (from 0): linear warm-up, then a cosine to 2 % of it."""
    warm = min(1.0, (step + 1) / min(WARMUP, max(1, WARMUP_SHARE * settings.steps)))
    fall = 0.5 * (1 + math.cos(math.pi * step / settings.steps))
    return settings.learning_rate * warm * (LEAST_RATE + (1 - LEAST_RATE) * fall)


@torch.no_grad()
def _follow(run: CodecRun, most: float) -> None:
    """The average follows, its decay warming up."""
    decay = min(most, 1 - (1 + run.step) ** -0.75)
    pairs: Any = zip(run.average.parameters(), run.codec.parameters(), strict=True)
    for mean, value in pairs:
        mean.lerp_(value, 1 - decay)

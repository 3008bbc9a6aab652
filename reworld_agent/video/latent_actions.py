"""The latent action tokenizer of RepWAM (arXiv 2606.13674): what happened between two latents.

    l_t = q(z_t, z_t+1)  in R^A            inverse dynamics
    (K, d) = p(z_t, l_t)                   forward dynamics
    z'_t+1 = K z_t + d                     transport over tokens, and a residual
    L = |z'_t+1 - z_t+1|² + |K' z_t+1 + d' - z_t|²,   l'_t = q(z_t+1, z_t)

No action is given to it: l_t is what helps to foresee the next latent. The codec is frozen. Latents
are centred by channel and divided by one number: with channels of equal variance the forward
dynamics learns to fall back to the mean, and hardly needs the action.

Shapes: B pairs, L tokens of a latent frame, C channels, A numbers of an action.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as functional
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from reworld_agent.core.errors import ConfigError, WeightsError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.video.codecs.protocol import Codec

TRANSPORTS = ("softmax", "free")
STAYS = 0.98  # of a token, where a softmax transport begins


class LatentActions(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers' bases disagree
    """Both dynamics; at the start the next latent is the last one (`softmax`: nearly).

    Args:
        tokens: L.
        channels: C.
        actions: A.
        hidden: width of both MLPs.
        layers: linear layers of each.
        transport: `softmax`: rows of K are weights that sum to 1; `free`: any numbers.
        codec_sha256: of the codec whose latents these are.

    Raises:
        ConfigError: an unknown transport, or fewer than 2 layers.
    """

    @register_to_config
    def __init__(
        self,
        tokens: int,
        channels: int,
        actions: int = 4,
        hidden: int = 256,
        layers: int = 4,
        transport: str = "softmax",
        codec_sha256: str = "",
    ) -> None:
        super().__init__()
        if transport not in TRANSPORTS:
            message = f"transport={transport} does not exist"
            raise ConfigError(message, "use " + " | ".join(TRANSPORTS))
        if layers < 2:
            raise ConfigError(f"layers={layers}", "use at least 2")
        self.tokens, self.channels, self.transport = tokens, channels, transport
        size = tokens * channels
        self.inverse = mlp(2 * size, hidden, layers, actions)
        self.forwards = mlp(size + actions, hidden, layers, tokens * tokens + size)
        last = self.forwards[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.centre: Tensor
        self.scale: Tensor
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(()))

    def measure(self, latents: Tensor) -> None:
        """Centre of each channel, and the one scale, of training latents [..., L, C]."""
        values = latents.flatten(0, -2)
        self.centre.copy_(values.mean(dim=0))
        self.scale.copy_((values - self.centre).square().mean().sqrt().clamp(min=1e-6))

    def scaled(self, latents: Tensor) -> Tensor:
        """Tokens of latents [..., L, C] as both dynamics take them."""
        return (latents - self.centre.to(latents)) / self.scale.to(latents)

    def action(self, first: Tensor, second: Tensor) -> Tensor:
        """The action [B, A] that leads from scaled tokens [B, L, C] to others."""
        found: Tensor = self.inverse(torch.cat([first.flatten(1), second.flatten(1)], dim=1))
        return found

    def dynamics(self, first: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """K [B, L, L] and the residual [B, L, C] after scaled tokens and an action [B, A]."""
        found = self.forwards(torch.cat([first.flatten(1), action], dim=1))
        size = self.tokens * self.tokens
        moved = found[:, :size].unflatten(1, (self.tokens, self.tokens))
        residual = found[:, size:].unflatten(1, (self.tokens, self.channels))
        return self._transport(moved), residual

    def _transport(self, moved: Tensor) -> Tensor:
        stay = torch.eye(self.tokens, device=moved.device, dtype=moved.dtype)
        if self.transport == "free":
            return stay + moved
        if self.tokens == 1:
            return stay.expand_as(moved)
        # the diagonal's weight is STAYS where all else is equal
        level = math.log(STAYS / (1 - STAYS) * (self.tokens - 1))
        return functional.softmax(moved + level * stay, dim=-1)

    def predict(self, first: Tensor, action: Tensor) -> Tensor:
        """The next scaled tokens [B, L, C]."""
        transport, residual = self.dynamics(first, action)
        return transport @ first + residual

    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Mean squared errors of the pair and of the reversed pair, 1 : 1."""
        there = self.predict(first, self.action(first, second)) - second
        back = self.predict(second, self.action(second, first)) - first
        return there.square().mean() + back.square().mean()

    def require_codec(self, codec: Codec) -> None:
        """Raise ConfigError unless these are the latents of this codec, by its weights' hash."""
        if self.config["codec_sha256"] != weights_hash(codec):
            message = "these latent actions are of another codec's latents"
            raise ConfigError(message, "train them anew: reworld video train-actions")


def load_latent_actions(folder: Path, codec: Codec) -> LatentActions:
    """What `reworld video train-actions` has written, for this codec.

    Raises:
        WeightsError: the folder has none, or damaged ones.
        ConfigError: they are of another codec.
    """
    try:
        found: LatentActions = LatentActions.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError, RuntimeError, KeyError) as error:
        message = f"{folder} has no latent actions that can be read: {error}"
        raise WeightsError(message, "make them: reworld video train-actions") from error
    found.require_codec(codec)
    return found.eval().requires_grad_(False)


def latent_tokens(latents: Tensor) -> Tensor:
    """Latents [B, C, F, h, w] as tokens [B, F, h w, C]."""
    return latents.flatten(3).permute(0, 2, 3, 1)


def mlp(inputs: int, hidden: int, layers: int, outputs: int) -> nn.Sequential:
    """`layers` linear layers with GELU between."""
    sizes = [inputs, *[hidden] * (layers - 1), outputs]
    parts: list[nn.Module] = []
    for size, following in pairwise(sizes):
        parts += [nn.Linear(size, following), nn.GELU()]
    return nn.Sequential(*parts[:-1])

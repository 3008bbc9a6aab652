"""The latent action tokenizer of RepWAM (arXiv 2606.13674): what happened between two latents.

    l_t = q(z_t, z_t+1)  in R^A            inverse dynamics
    (K, d) = p(z_t, l_t)                   forward dynamics
    z'_t+1 = K z_t + d                     transport over tokens, and a residual
    L = |z'_t+1 - z_t+1|² + |K' z_t+1 + d' - z_t|²,   l'_t = q(z_t+1, z_t)

No action is given to it: l_t is what helps to foresee the next latent. The codec is frozen. Latents
are centred by channel and divided by one number: with channels of equal variance the forward
dynamics learns to fall back to the mean, and hardly needs the action.

What leads from a plan to them is a linear adapter, fitted beside them: how the ego moves between
two latents (ahead and to the left in m, turn in rad, in the ego frame of the first) to the action.

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

from reworld_agent.config import ActionsConfig
from reworld_agent.core.errors import ConfigError, DataError, WeightsError
from reworld_agent.core.provenance import weights_hash
from reworld_agent.video.codecs.protocol import Codec

TRANSPORTS = ("softmax", "free")
STAYS = 0.98  # of a token, where a softmax transport begins
MOTIONS = 3  # ahead, to the left (m), turn (rad)
_HASH_BYTES = 32
_RETRAIN = "train them anew: reworld video train-actions"


class LatentActions(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers' bases disagree
    """Both dynamics; at the start the next latent is the last one (`softmax`: nearly).

    Args:
        tokens: L.
        channels: C.
        actions: A.
        hidden: width of both MLPs.
        layers: linear layers of each.
        transport: `softmax`: rows of K are weights that sum to 1; `free`: any numbers.

    Attributes:
        codec_hash: SHA-256 of the codec whose latents these are, 32 bytes; zeros = untrained.

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
        self.action_scale: Tensor
        self.motion_scale: Tensor
        self.adapter: Tensor
        self.codec_hash: Tensor
        self.register_buffer("action_scale", _unit(actions))
        self.register_buffer("motion_scale", _unit(MOTIONS))
        self.register_buffer("adapter", torch.zeros(actions, MOTIONS))
        self.register_buffer("codec_hash", torch.zeros(_HASH_BYTES, dtype=torch.uint8))

    @classmethod
    def build(cls, config: ActionsConfig, cells: int, channels: int) -> LatentActions:
        """Untrained ones of a model, whose latent frames have so many cells and channels."""
        sizes = (config.numbers, config.hidden, config.layers, config.transport)
        return cls(cells, channels, *sizes)

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

    def measure_actions(self, found: Tensor, motion: Tensor) -> None:
        """Mean and spread of training actions [N, A] and motions [N, 3], and the adapter.

        Least squares: standardised motion to standardised actions.
        """
        for scale, values in ((self.action_scale, found), (self.motion_scale, motion)):
            scale[0].copy_(values.mean(dim=0))
            scale[1].copy_(values.std(dim=0).clamp(min=1e-6))
        inputs, outputs = self.standard_motion(motion), self.standard(found)
        solved = torch.linalg.lstsq(inputs.double().cpu(), outputs.double().cpu()).solution
        self.adapter.copy_(solved.T)

    def standard(self, action: Tensor) -> Tensor:
        """Actions [..., A] with mean 0 and spread 1 over training pairs."""
        return (action - self.action_scale[0]) / self.action_scale[1]

    def raw(self, standard: Tensor) -> Tensor:
        """Inverse of `standard`: what both dynamics take."""
        return standard * self.action_scale[1] + self.action_scale[0]

    def standard_motion(self, motion: Tensor) -> Tensor:
        """Motions [..., 3] with mean 0 and spread 1 over training pairs."""
        return (motion - self.motion_scale[0]) / self.motion_scale[1]

    def adapted(self, motion: Tensor) -> Tensor:
        """Standardised actions [..., A] of motions [..., 3]."""
        return self.standard_motion(motion) @ self.adapter.T

    def between(self, tokens: Tensor) -> Tensor:
        """Standardised actions [B, F - 1, A] between successive latents' tokens [B, F, L, C]."""
        scaled = self.scaled(tokens)
        pairs = scaled[:, :-1].flatten(0, 1), scaled[:, 1:].flatten(0, 1)
        return self.standard(self.action(*pairs)).unflatten(0, (len(tokens), -1))

    def take_codec(self, codec: Codec) -> None:
        """Note whose latents these are."""
        known = bytearray.fromhex(weights_hash(codec))
        self.codec_hash.copy_(torch.frombuffer(known, dtype=torch.uint8))

    def require_codec(self, codec: Codec) -> None:
        """Raise ConfigError unless these are the latents of this codec, by its weights' hash."""
        noted = bytes(self.codec_hash.cpu().tolist())
        if not any(noted):
            message = "the latent actions are not trained"
            raise ConfigError(message, "train them: reworld video train-actions")
        if noted.hex() != weights_hash(codec):
            message = "these latent actions are of another codec's latents"
            raise ConfigError(message, _RETRAIN)


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


def plan_motion(poses: Tensor, ratio: int, count: int) -> Tensor:
    """How the ego moves from latent to latent, [B, count, 3] (m, m, rad).

    Each in the ego frame of the first of both latents.

    Args:
        poses: [B, T, 3] x, y (m), heading (rad) after each frame, in the present ego frame.
        ratio: frames of a latent.
        count: of latents after the present one.

    Raises:
        DataError: there are fewer poses.
    """
    if poses.size(1) < count * ratio:
        message = f"trajectories of {poses.size(1)} poses beside {count * ratio} frames"
        raise DataError(message, "use a model whose planner.horizon is clip.future_frames")
    whole = torch.cat([torch.zeros_like(poses[:, :1]), poses], dim=1).double()
    whole = whole[:, : count * ratio + 1 : ratio]
    step, heading = whole.diff(dim=1), whole[:, :-1, 2]
    turn = torch.remainder(step[..., 2] + math.pi, 2 * math.pi) - math.pi
    cos, sin = heading.cos(), heading.sin()
    ahead = cos * step[..., 0] + sin * step[..., 1]
    left = cos * step[..., 1] - sin * step[..., 0]
    return torch.stack([ahead, left, turn], dim=-1).to(poses.dtype)


def _unit(size: int) -> Tensor:
    """Mean 0 and spread 1, [2, size]."""
    return torch.stack([torch.zeros(size), torch.ones(size)])


def mlp(inputs: int, hidden: int, layers: int, outputs: int) -> nn.Sequential:
    """`layers` linear layers with GELU between."""
    sizes = [inputs, *[hidden] * (layers - 1), outputs]
    parts: list[nn.Module] = []
    for size, following in pairwise(sizes):
        parts += [nn.Linear(size, following), nn.GELU()]
    return nn.Sequential(*parts[:-1])

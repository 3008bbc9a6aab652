"""Latent actions of a model, and what the model must be to have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reworld_agent.config.fields import choice, positive, require

WORLD_ACTION = "world_action"  # the backbone with tokens of actions
LATENT, REAL, JOINT = "latent", "real", "joint"


@dataclass(frozen=True)
class ActionsConfig:
    """RepWAM's latent actions, as tokens of the Video DiT (see `video.latent_actions`).

    Attributes:
        numbers: of a latent action.
        hidden, layers: of the inverse and the forward dynamics.
        transport: rows of the forward dynamics' transport: `softmax` or `free`.
        tokens: what action tokens carry, and by which layers: `latent`, the action between two
            latents, by layers of the tokens' own; `real`, how the ego moved, with other layers in
            and out (the second of RepWAM's stages); `joint`, the latent action by all layers of
            the video (its single head). No tensor changes with it.
    """

    numbers: int = 4
    hidden: int = 256
    layers: int = 4
    transport: str = "softmax"
    tokens: str = LATENT

    def __post_init__(self) -> None:
        """Check every field."""
        positive("actions", numbers=self.numbers, hidden=self.hidden)
        require(self.layers >= 2, f"actions.layers = {self.layers}", "use at least 2")
        choice("actions.transport", self.transport, ("softmax", "free"))
        choice("actions.tokens", self.tokens, (LATENT, REAL, JOINT))


def check_window(options: Mapping[str, Any]) -> None:
    """Raise UsageError where the backbone's window is of no chunks, or shows nothing of the past.

    Args:
        options: of the backbone.
    """
    window, chunk = options.get("window"), options.get("chunk")
    if window is None:
        return
    message = f"video.options.window = {window}"
    require(
        chunk is not None,
        f"{message} without chunk: all tokens see all",
        "name the latents of a chunk too, such as chunk: 4",
    )
    require(
        chunk is not None and window > chunk,
        f"{message} with chunk = {chunk}: nothing of the past would be seen",
        "a window holds a chunk and latents before it: use more; 32 in RepWAM's paper",
    )


def check_actions(
    actions: ActionsConfig | None,
    backbone: str,
    encoding: str,
    channels: int,
) -> None:
    """Raise UsageError where a model cannot have such actions.

    Args:
        actions: None = none.
        backbone: of its video.
        encoding: of its clip.
        channels: of a latent.
    """
    if actions is None:
        bare = f"video.backbone={WORLD_ACTION} without actions"
        require(backbone != WORLD_ACTION, bare, "name them, such as actions: {numbers: 4}")
        return
    require(
        backbone == WORLD_ACTION,
        f"actions with video.backbone={backbone}",
        f"a backbone with tokens of them is {WORLD_ACTION}; else leave actions out",
    )
    require(
        encoding != "per_frame",
        "actions with clip.encoding=per_frame",
        "an action leads from the present latent on: use clip.encoding=continued, or clip",
    )
    require(
        actions.tokens != JOINT or actions.numbers <= channels,
        f"actions.numbers = {actions.numbers}, but a latent has {channels} channels",
        "joint tokens are as wide as latents: use fewer numbers, or actions.tokens=latent",
    )

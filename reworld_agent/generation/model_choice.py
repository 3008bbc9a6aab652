"""The model that settings name, and the clips that it sees."""

from __future__ import annotations

from pathlib import Path

import torch

from reworld_agent.config import ClipConfig, ModelConfig
from reworld_agent.core.errors import UsageError
from reworld_agent.generation.futures import resized
from reworld_agent.generation.settings import ModelSettings
from reworld_agent.model import ReWorldModel
from reworld_agent.model.shipped import shipped_folder
from reworld_agent.model.weights_folder import trusted_config


def weights_folder_of(settings: ModelSettings) -> Path:
    """The weights folder: the one that is named, or that of the shipped tiny weights."""
    return settings.checkpoint_path or shipped_folder("tiny")


def config_of(settings: ModelSettings) -> ModelConfig:
    """The configuration of the weights, before they are read; raises WeightsError."""
    return trusted_config(weights_folder_of(settings))


def load_model(settings: ModelSettings, config: ModelConfig | None = None) -> ReWorldModel:
    """The model on its device, in evaluation mode.

    Args:
        settings: say which.
        config: where it is used otherwise than its weights say; None = as they do.

    Raises:
        UsageError: the device is not there.
        WeightsError: the weights are not there, or damaged.
    """
    device = device_of(settings.device)
    return ReWorldModel.from_pretrained(weights_folder_of(settings), config).to(device).eval()


def device_of(name: str | None) -> str:
    """The device that is named, else cuda where there is one; raises UsageError."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UsageError("device=cuda, but no GPU can be used here", "set device=cpu")
    return name or ("cuda" if there else "cpu")


def clip_of(settings: ModelSettings, config: ModelConfig, base: ClipConfig) -> ClipConfig:
    """The clip `base` with the settings' size, rate and lengths.

    Raises:
        UsageError: the codec cannot cut it.
    """
    height, width = settings.size or (None, None)
    return resized(
        config,
        base,
        height=height,
        width=width,
        fps=settings.fps,
        history_frames=settings.history,
        future_frames=settings.future,
    )

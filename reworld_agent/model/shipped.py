"""The shipped weights, and loading of whatever a user names as weights."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import WeightsError
from reworld_agent.model.reworld_model import ReWorldModel
from reworld_agent.model.weights_folder import TRAIN_HINT, key_difference

MODEL_PREFIX = "model."


def shipped_folder(model: str) -> Path:
    """Folder of the weights shipped for a configuration; it may not exist."""
    return Path(__file__).parents[1] / "weights" / model


def load_checkpoint(
    path: str | Path | None, config: ModelConfig, any_recipe: bool = False
) -> ReWorldModel:
    """The model of a saved folder, of a Lightning `.ckpt`, or (None) of the shipped weights.

    `any_recipe` lets shipped weights pass whose recipe is not the config's: for their codec and
    normalisation, which no recipe changes.

    Raises WeightsError when nothing is there or when it is of another configuration.
    """
    if path is None:
        folder = shipped_folder(config.name)
        if not folder.is_dir():
            message = f"no weights are shipped for model={config.name} ({folder} is missing)"
            raise WeightsError(message, f"name some with agent.checkpoint_path=; or {TRAIN_HINT}")
        return ReWorldModel.from_pretrained(folder, None if any_recipe else config)
    path = Path(path)
    if path.suffix == ".ckpt":
        return _load_lightning(path, config)
    return ReWorldModel.from_pretrained(path, config)


def _load_lightning(path: Path, config: ModelConfig) -> ReWorldModel:
    """A Lightning checkpoint of our module (`model.…`) or of the devkit's (`agent.model.…`)."""
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
        state = {key.removeprefix("agent."): v for key, v in content["state_dict"].items()}
    except (OSError, KeyError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        message = f"{path} is not a readable Lightning checkpoint: {error}"
        raise WeightsError(message, "name a folder of save_pretrained, or a .ckpt") from error
    state = {
        k.removeprefix(MODEL_PREFIX): v for k, v in state.items() if k.startswith(MODEL_PREFIX)
    }
    with torch.device("meta"):
        model = ReWorldModel(config)
    model.planning_prompt = state.get("planning_prompt")
    faults = key_difference(model.state_dict(), state)
    if faults:
        hint = f"use the model= that it was trained with, not model={config.name}"
        raise WeightsError(f"{path} does not fit:\n  " + "\n  ".join(faults), hint)
    model.load_state_dict(state, strict=True, assign=True)
    model.codec.requires_grad_(False)
    return model.eval()

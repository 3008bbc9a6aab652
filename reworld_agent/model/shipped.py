"""The shipped weights, and loading of whatever a user names as weights."""

from __future__ import annotations

from pathlib import Path

import torch

from reworld_agent.config import ModelConfig
from reworld_agent.core.errors import WeightsError
from reworld_agent.core.text import shown
from reworld_agent.model.foreign import backbone_of, other_model
from reworld_agent.model.reworld_model import ReWorldModel
from reworld_agent.model.tensor_files import read_state, without_wrappers
from reworld_agent.model.weights_folder import PROMPTS, TRAIN_HINT, key_difference, require_parts


def shipped_folder(model: str) -> Path:
    """Folder of the weights shipped for a configuration; it may not exist."""
    return Path(__file__).parents[1] / "weights" / model


def load_checkpoint(
    path: str | Path | None, config: ModelConfig, any_recipe: bool = False
) -> ReWorldModel:
    """The model of a saved folder, of a file of tensors, or (None) of the shipped weights.

    A file is a Lightning checkpoint of our module or of the devkit's, or a `state_dict` that
    `torch.save` or safetensors wrote.

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
    return _of_file(path, config) if path.is_file() else ReWorldModel.from_pretrained(path, config)


def _of_file(path: Path, config: ModelConfig) -> ReWorldModel:
    """A model whose tensors lie in one file, with whatever trainers put in front of their names."""
    with torch.device("meta"):
        model = ReWorldModel(config)
    wanted = model.state_dict()
    found = read_state(path)
    state = without_wrappers(found, wanted)
    require_parts(path, backbone_of(state), config)
    if not wanted.keys() & state.keys():
        foreign = other_model(found)
        raise WeightsError(f"{shown(path)} is {foreign.what}, not of ours", foreign.fix)
    for name in PROMPTS.values():
        setattr(model, name, state.get(name))
    faults = key_difference(model.state_dict(), state)
    if faults:
        hint = f"use the agent.model= that it was trained with, not agent.model={config.name}"
        raise WeightsError(f"{shown(path)} does not fit:\n  " + "\n  ".join(faults), hint)
    model.load_state_dict(state, strict=True, assign=True)
    model.codec.requires_grad_(False)
    return model.eval()

"""A micro model with tokens of actions, over latents of one frame, for tests."""

from __future__ import annotations

from typing import Any

import torch

from reworld_agent.config import ModelConfig
from reworld_agent.model import ReWorldModel
from reworld_agent.training.statistics.fit import STATISTICS
from tests.model.micro import micro_config


def world_action_config(**changes: Any) -> ModelConfig:
    """The micro configuration with a codec of single frames, chunks and latent actions.

    `options` and `actions` replace those of the backbone and of the model.
    """
    values = micro_config().to_dict()
    values["codec"] |= {"temporal_ratio": 1}
    options = changes.get("options", {"action_ff": 16, "chunk": 2})
    values["video"] |= {"backbone": "world_action", "options": options}
    values["actions"] = changes.get("actions", {"numbers": 4, "hidden": 16, "layers": 2})
    return ModelConfig.from_dict(values)


def world_action_model(seed: int = 0, trained: bool = False, **changes: Any) -> ReWorldModel:
    """A random model; `trained`: its latent actions are noted to be of its codec."""
    torch.manual_seed(seed)
    model = ReWorldModel(world_action_config(**changes))
    components = model.codec.components
    components.data.copy_(torch.linalg.qr(torch.randn(components.T.shape)).Q.T)
    model.codec.latents_std.mul_(2.0)
    model.normaliser.centre[:, 0] = torch.arange(1, 9) * 3.0
    model.normaliser.scale.copy_(torch.tensor([6.0, 2.0, 0.3]))
    model.history = [STATISTICS]
    if trained and model.latent_actions is not None:
        model.latent_actions.take_codec(model.codec)
        torch.nn.init.normal_(model.latent_actions.adapter)
        model.latent_actions.motion_scale.copy_(torch.tensor([[2.0, 0, 0], [2.0, 0.2, 0.1]]))
    return model

"""A model of a few thousand parameters, and a batch of made-up scenes, for tests."""

from __future__ import annotations

import torch
from torch import Tensor

from reworld_agent.config import ModelConfig, load_model_config
from reworld_agent.model import ReWorldModel
from reworld_agent.training.statistics.fit import STATISTICS


def micro_config() -> ModelConfig:
    """The tiny configuration, narrower and with smaller images."""
    values = load_model_config("tiny").to_dict()
    clip = {**values["clip"], "height": 32, "width": 48}
    values |= {"name": "micro", "clip": clip, "world_clip": clip}
    values["codec"] |= {"latent_channels": 12}
    values["video"] |= {"num_layers": 2, "num_heads": 2, "head_dim": 12, "mid_blocks": [1]}
    values["planner"] |= {"num_heads": 2, "head_dim": 16, "ego_hidden": 32}
    return ModelConfig.from_dict(values)


def micro_model(seed: int = 0) -> ReWorldModel:
    """A random model with a random codec that keeps the scale of pixels."""
    torch.manual_seed(seed)
    model = ReWorldModel(micro_config())
    components = model.codec.components
    components.data.copy_(torch.linalg.qr(torch.randn(components.T.shape)).Q.T)
    model.normaliser.centre[:, 0] = torch.arange(1, 9) * 3.0
    model.normaliser.scale.copy_(torch.tensor([6.0, 2.0, 0.3]))
    model.history = [STATISTICS]
    return model


def batch(scenes: int = 8, seed: int = 1) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Features and targets of made-up scenes: smooth images, curved trajectories."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(scenes, 12, 3, 4, 6, generator=generator)
    images = (torch.nn.functional.interpolate(coarse.flatten(0, 1), (32, 48)) * 255).byte()
    images = images.unflatten(0, (scenes, 12))
    speed = torch.rand(scenes, 1, generator=generator) * 10
    turn = torch.randn(scenes, 1, generator=generator) * 0.05
    time = torch.arange(1, 9) * 0.5
    trajectory = torch.stack([speed * time, turn * speed * time**2, 2 * turn * time], dim=-1)
    ego = torch.zeros(scenes, 8)
    ego[:, :1], ego[:, 5] = speed, 1
    features = {"images": images[:, :4], "ego": ego}
    return features, {"trajectory": trajectory, "future_images": images[:, 4:]}

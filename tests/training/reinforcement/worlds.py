"""Weights and scenes for tests of Stage 4: the small split with a road by hand for each scene."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch

from reworld_agent.config import load_model_config
from reworld_agent.model import ReWorldModel
from reworld_agent.pdm import SceneCache
from tests.pdm.straight_road import scene
from tests.scenes.small_logs import SPLIT

WALL = {"wall": ("vehicle", 20.0, 0.0, 0.0, 0.0)}


def caches(tokens: Iterable[str]) -> dict[str, SceneCache]:
    """By token a free road, or one with a wall ahead, in turn."""
    worlds = [{}, WALL]
    return {
        token: replace(scene(worlds[number % 2]), token=token)
        for number, token in enumerate(sorted(tokens))
    }


def start(folder: Path) -> Path:
    """A tiny planner that has passed every stage before; its plans lead 30 m ahead."""
    torch.manual_seed(0)
    model = ReWorldModel(load_model_config("tiny"))
    torch.nn.init.normal_(model.codec.components, std=0.01)
    torch.nn.init.normal_(model.action_dit.proj_out.weight, std=0.02)
    model.normaliser.centre[:, 0] = torch.arange(1, 9) * 4.0
    model.normaliser.scale.copy_(torch.tensor([8.0, 1.0, 0.05]))
    model.history = ["statistics", "1", "planner"]
    model.save_pretrained(folder)
    return folder


def words(root: Path, name: str, *more: str) -> list[str]:
    """Overrides of a run of Stage 4, three steps of four scenes."""
    return [
        f"agent.init_from={root / 'start'}",
        f"output_dir={root / name}",
        "trainer.params.max_steps=3",
        "dataloader.params.batch_size=4",
        "+agent.overrides.policy.samples=4",
        "+agent.overrides.noise_draws=2",
        "+agent.overrides.learning_rate=1e-3",
        "+trainer.params.log_every_n_steps=1",
        f"validation.split={SPLIT}",
        "validation.every=0",
        *more,
    ]

"""The shipped weights: of the tiny configuration, small, and alive."""

from __future__ import annotations

import torch

from reworld_agent.config import load_model_config
from reworld_agent.model.shipped import load_checkpoint, shipped_folder

CONFIG = load_model_config("tiny")
LIMIT = 10_000_000  # bytes of safetensors


def test_shipped_weights_fit_the_configuration_and_know_their_stages() -> None:
    model = load_checkpoint(None, CONFIG)
    assert model.history[:3] == ["statistics", "1", "planner"]
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())


def test_shipped_weights_are_small_and_say_how_they_were_made() -> None:
    folder = shipped_folder("tiny")
    files = list(folder.rglob("*.safetensors"))
    assert len(files) == 4 and sum(file.stat().st_size for file in files) < LIMIT
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "train-demo" in card and "seed" in card and "PDMS" in card


def test_shipped_weights_drive_on_at_the_speed_of_the_car() -> None:
    model = load_checkpoint(None, CONFIG)
    ego = torch.zeros(2, 8)
    ego[:, 0], ego[:, 5] = torch.tensor([2.0, 9.0]), 1
    images = torch.full((2, 4, 3, CONFIG.clip.height, CONFIG.clip.width), 128, dtype=torch.uint8)
    plan = model.plan({"images": images, "ego": ego})
    slow, fast = plan[:, -1, 0]
    assert torch.isfinite(plan).all()
    assert 0 <= slow < fast < 60  # metres in 4 s

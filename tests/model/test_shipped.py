"""The shipped weights: of two configurations, small, and alive."""

from __future__ import annotations

import pytest
import torch

from reworld_agent.config import load_model_config
from reworld_agent.model.shipped import load_checkpoint, shipped_folder

LIMIT = 25_000_000  # bytes of safetensors, all weights together

each = pytest.mark.parametrize("name", ["tiny", "small"])


@each
def test_shipped_weights_fit_the_configuration_and_know_their_stages(name: str) -> None:
    model = load_checkpoint(None, load_model_config(name))
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}
    assert model.history[:3] == ["statistics", "1", "planner"]
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())


def test_shipped_weights_are_small() -> None:
    files = list(shipped_folder("tiny").parent.rglob("*.safetensors"))
    assert sum(file.stat().st_size for file in files) < LIMIT


@each
def test_shipped_weights_say_how_they_were_made(name: str) -> None:
    folder = shipped_folder(name)
    assert len(list(folder.rglob("*.safetensors"))) == 4
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "train-demo" in card and "seed" in card and "PDMS" in card


@each
def test_shipped_weights_drive_on_at_the_speed_of_the_car(name: str) -> None:
    config = load_model_config(name)
    model = load_checkpoint(None, config)
    ego = torch.zeros(2, 8)
    ego[:, 0], ego[:, 5] = torch.tensor([2.0, 9.0]), 1
    images = torch.full((2, 4, 3, config.clip.height, config.clip.width), 128, dtype=torch.uint8)
    plan = model.plan({"images": images, "ego": ego})
    slow, fast = plan[:, -1, 0]
    assert torch.isfinite(plan).all()
    assert 0 <= slow < fast < 60  # metres in 4 s

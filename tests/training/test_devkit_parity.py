"""NAVSIM's own Lightning module and ours give the same loss on the same batch and seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from reworld_agent.agent import ReWorldAgent
from reworld_agent.config import load_model_config
from reworld_agent.model import ReWorldModel
from reworld_agent.training.loop.module import StageModule, batch_seed
from reworld_agent.training.stages import STAGES

devkit = pytest.importorskip(
    "navsim.planning.training.agent_lightning_module", reason="needs the stock NAVSIM devkit"
)


def scenes(count: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A batch of made-up scenes at the tiny size."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 255, (count, 12, 3, 64, 112), generator=generator, dtype=torch.uint8)
    trajectory = torch.randn(count, 8, 3, generator=generator).cumsum(dim=1)
    features = {"images": images[:, :4], "ego": torch.randn(count, 8, generator=generator)}
    return features, {
        "trajectory": trajectory,
        "future_images": images[:, 4:],
        "hard_negative": trajectory + 1,
        "hard_negative_valid": torch.arange(count) % 2 == 0,
    }


@pytest.mark.devkit
@pytest.mark.parametrize("stage", STAGES)
def test_both_modules_give_the_same_loss_and_gradients(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = ReWorldModel(load_model_config("tiny"))
    torch.nn.init.normal_(model.codec.components, std=0.01)
    torch.nn.init.normal_(model.action_dit.proj_out.weight, std=0.1)
    model.history = ["statistics", "1", "planner", "2"]
    model.save_pretrained(tmp_path)
    agent = ReWorldAgent(
        stage=stage, stage_applied=stage, purpose="train", init_from=str(tmp_path), device="cpu"
    )
    theirs = devkit.AgentLightningModule(agent)
    optimizers = theirs.configure_optimizers()  # loads and freezes, as the trainer's start does
    assert optimizers["optimizer"].param_groups[0]["lr"] > 0
    assert agent.model is not None
    ours = StageModule(agent.model, agent.stage, seed=7)
    for module in (theirs, ours):
        monkeypatch.setattr(module, "log", lambda *args, **kwargs: None)
    features, targets = scenes(4)
    found: list[Any] = []
    for step in (
        lambda: theirs.training_step((features, targets), 3),
        lambda: ours.training_step((features, targets, ["a", "b", "c", "d"]), 3),
    ):
        torch.manual_seed(batch_seed(7, 3))  # of the devkit's path: the global generator
        agent.model.zero_grad()
        loss = step()
        loss.backward()
        gradients = [p.grad for p in agent.model.parameters() if p.grad is not None]
        found.append((loss.detach(), [gradient.clone() for gradient in gradients]))
    (theirs_loss, theirs_gradients), (our_loss, our_gradients) = found
    assert torch.equal(theirs_loss, our_loss)
    assert len(our_gradients) > 0
    for expected, gradient in zip(theirs_gradients, our_gradients, strict=True):
        assert torch.equal(expected, gradient)

"""Losses of 20 steps of each stage at a fixed seed: `python -m tests.training.golden` rewrites."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from reworld_agent.training.loop.optim import build_optimizers
from reworld_agent.training.losses import stage_loss
from reworld_agent.training.prepare import set_trainable
from reworld_agent.training.stages import STAGES, load_stage
from tests.model.micro import batch, micro_model
from tests.model.world_action import world_action_model

FILE = Path(__file__).with_name("golden_losses.json")
STEPS = 20
ACTIONS = "1 with actions"  # Stage 1 of a model with action tokens
CASES = (*STAGES, ACTIONS)


def losses(stage: str) -> list[float]:
    """The losses of the first steps of a case of the micro model, on made-up scenes."""
    torch.set_num_threads(1)
    settings = load_stage(stage.split()[0], overrides={"steps": STEPS, "warmup_steps": 2})
    model = world_action_model(trained=True) if stage == ACTIONS else micro_model()
    set_trainable(model, settings)
    optimizer = build_optimizers(model, settings)["optimizer"]
    features, targets = batch(4)
    targets["hard_negative"] = targets["trajectory"] + torch.tensor([0.0, 1.5, 0.1])
    targets["hard_negative_valid"] = torch.tensor([True, False, True, True])
    values = []
    for step in range(STEPS):
        generator = torch.Generator().manual_seed(step)
        loss, _ = stage_loss(model, settings, features, targets, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    return values


def main() -> None:
    """Rewrite the file; read the difference before you commit it."""
    table = {stage: losses(stage) for stage in CASES}
    FILE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

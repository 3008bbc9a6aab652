"""`reworld train-ego-status-mlp`."""

from __future__ import annotations

from reworld_agent import baselines
from reworld_agent.baselines.ego_status_settings import TrainEgoStatusSettings
from reworld_agent.cli.command import OK, Command
from reworld_agent.core.text import shown

COMMAND = Command(
    name="train-ego-status-mlp",
    summary="train the blind baseline, a minute on one core",
    settings=TrainEgoStatusSettings,
    run="reworld_agent.cli.commands.train_ego_status_mlp:run",
    examples=("reworld train-ego-status-mlp epochs=100 output=outputs/blind.safetensors",),
    next="reworld score agent=ego_status_mlp agent.checkpoint_path=FILE",
    exit_codes="0 the weights are written; 1 failed",
)


def run(settings: TrainEgoStatusSettings) -> int:
    """Print the loss and name the weights."""
    loss = baselines.train_ego_status_mlp(settings)
    print(f"loss {loss:.4f}; weights in {shown(settings.output)}")
    return OK

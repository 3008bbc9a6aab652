"""Trains the blind planner on a split: all scenes in memory, a minute on one core."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm, trange

from reworld_agent.baselines.ego_status_mlp import SHIPPED_WEIGHTS, EgoStatusMLPAgent
from reworld_agent.baselines.ego_status_settings import TrainEgoStatusSettings
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.records.checksums import write_checksums
from reworld_agent.scenes.filter import SceneFilter
from reworld_agent.scenes.splits import resolve_split


def load_tensors(agent: EgoStatusMLPAgent, data_split: str) -> tuple[Tensor, Tensor]:
    """Features [N, 8] and targets [N, 8, 3] of every scene of a split."""
    loader = resolve_split(data_split, cameras=()).loader(SceneFilter(frame_interval=1))
    features, targets = [], []
    (feature_builder,), (target_builder,) = (
        agent.get_feature_builders(),
        agent.get_target_builders(),
    )
    for token in tqdm(loader.tokens, desc="reading scenes", unit="scene"):
        scene = loader.get_scene_from_token(token)
        agent_input = loader.get_agent_input_from_token(token)
        features.append(feature_builder.compute_features(agent_input)["ego_status"])
        targets.append(target_builder.compute_targets(scene)["trajectory"])
    return torch.stack(features), torch.stack(targets)


@one_writer
def train_ego_status_mlp(settings: TrainEgoStatusSettings) -> float:
    """Train and write the weights; the mean loss of the last epoch (m and rad mixed).

    Raises:
        ReWorldError: the split cannot be read.
    """
    return train(
        settings.data_split, epochs=settings.epochs, seed=settings.seed, output=settings.output
    )


def train(
    data_split: str = "town_train",
    epochs: int = 100,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 0,
    output: Path = SHIPPED_WEIGHTS,
) -> float:
    """Train and write the weights; the learning rate falls to zero along a cosine.

    Returns:
        Mean loss of the last epoch (m and rad mixed).
    """
    torch.manual_seed(seed)
    agent = EgoStatusMLPAgent(learning_rate=learning_rate)
    features, targets = load_tensors(agent, data_split)
    optimizer = agent.get_optimizers()
    batches = -(-len(features) // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches)
    loss_sum = 0.0
    progress = trange(epochs, desc="training", unit="epoch")
    for _ in progress:
        loss_sum = 0.0
        for rows in torch.randperm(len(features)).split(batch_size):
            batch = {"ego_status": features[rows]}
            target = {"trajectory": targets[rows]}
            loss = agent.compute_loss(batch, target, agent.forward(batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            loss_sum += float(loss.detach()) * len(rows)
        progress.set_postfix(loss=f"{loss_sum / len(features):.4f}")
    output.parent.mkdir(parents=True, exist_ok=True)
    save_file(agent.mlp.state_dict(), output)
    write_checksums(output.parent, [output.name])
    return loss_sum / len(features)

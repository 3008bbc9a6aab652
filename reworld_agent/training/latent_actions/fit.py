"""Both dynamics are fitted to pairs of latents, and their errors are measured.

Shapes: N pairs, L tokens, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from reworld_agent.training.latent_actions.pairs import Pairs
from reworld_agent.training.losses import require_finite
from reworld_agent.video.latent_actions import LatentActions

_BATCH = 512  # pairs of one forward


def one_cycle(
    module: nn.Module,
    loss: Callable[[Tensor], Tensor],
    count: int,
    steps: int,
    batch: int,
    rate: float,
    seed: int,
) -> None:
    """Train a module by AdamW in one cycle; order is of the seed alone.

    Args:
        module: that learns.
        loss: of the samples of these numbers [B].
        count: of samples.
        steps: of the optimiser.
        batch: B at most.
        rate: the highest learning rate.
        seed: of the order.

    Raises:
        NotFiniteError: a loss is not finite.
    """
    optimizer = torch.optim.AdamW(module.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    order = _order(count, min(batch, count), seed)
    module.train()
    for step in range(steps):
        found = loss(next(order))
        require_finite(found, f"at step {step}")
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
        if step + 1 < steps:
            schedule.step()
    module.eval()


def _order(count: int, batch: int, seed: int) -> Iterator[Tensor]:
    """Numbers below `count`, `batch` at a time, none twice in a round; each round leaves a rest."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        shuffled = torch.randperm(count, generator=generator)
        for start in range(0, count - batch + 1, batch):
            yield shuffled[start : start + batch]


@torch.no_grad()
def errors(model: LatentActions, first: Tensor, second: Tensor) -> dict[str, float]:
    """Mean squared errors of the next scaled tokens [N, L, C].

    `copy`: the last ones again; `predicted`: with the pair's action; `shuffled`: with the action of
    another pair; `zero`: with zeros; `transport`: without the residual; `residual`: copied, and the
    residual.
    """
    sums: dict[str, float] = {}
    actions = infer(model, first, second)
    other = actions.roll(max(1, len(actions) // 2), dims=0)
    for start in range(0, len(first), _BATCH):
        part = slice(start, start + _BATCH)
        now, then = first[part], second[part]
        transport, residual = model.dynamics(now, actions[part])
        guesses = {
            "copy": now,
            "predicted": transport @ now + residual,
            "shuffled": model.predict(now, other[part]),
            "zero": model.predict(now, torch.zeros_like(actions[part])),
            "transport": transport @ now,
            "residual": now + residual,
        }
        for name, guess in guesses.items():
            found = float((guess - then).square().sum(dtype=torch.float64))
            sums[name] = sums.get(name, 0.0) + found
    return {name: total / first.numel() for name, total in sums.items()}


@torch.no_grad()
def infer(model: LatentActions, first: Tensor, second: Tensor) -> Tensor:
    """Actions [N, A] of pairs of scaled tokens."""
    parts = zip(first.split(_BATCH), second.split(_BATCH), strict=True)
    return torch.cat([model.action(*pair) for pair in parts])


def fit_actions(
    model: LatentActions, pairs: Pairs, steps: int, batch: int, rate: float, seed: int
) -> None:
    """Measure latents, train both dynamics, fit the adapter; see `one_cycle` for the arguments."""
    model.measure(torch.cat([pairs.first, pairs.second]))
    first, second = model.scaled(pairs.first), model.scaled(pairs.second)

    def loss(chosen: Tensor) -> Tensor:
        return model.loss(first[chosen], second[chosen])

    one_cycle(model, loss, len(pairs), steps, batch, rate, seed)
    with torch.no_grad():
        model.measure_actions(infer(model, first, second), pairs.motion)

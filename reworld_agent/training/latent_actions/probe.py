"""What latent actions say of the ego's motion beyond the latent that they start from.

Linear probes are blind here: tubelets hold motion already, and what an action adds is not linear in
it (reference trial: negative R²). So each probe is an MLP with one hidden layer, and what counts is
R² of (z_t, action) over R² of z_t alone; beside it stands a network of the inverse dynamics' own
shape that is told the motion: what could be had. Shapes: N pairs, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reworld_agent.training.latent_actions.fit import infer, one_cycle
from reworld_agent.training.latent_actions.pairs import TARGETS, Pairs
from reworld_agent.training.latent_actions.settings import ActionTrainSettings
from reworld_agent.video.latent_actions import LatentActions, mlp
from reworld_agent.video_metrics.probe.linear import interval, r_squared

# Features [N, D] to motion [N, 3].
Reader: TypeAlias = "Callable[[Tensor], NDArray[np.float64]]"
_RATE, _BATCH = 1e-3, 128  # of a probe
_OVER = ("latent_action", "latent")  # whose difference is the increment


def probe_rows(
    model: LatentActions, learned: Pairs, judged: Pairs, settings: ActionTrainSettings, seed: int
) -> list[dict[str, Any]]:
    """R² on held-out pairs of each target, of every probe; columns quantity, target, value ...

    Quantities: r2_action, r2_latent, r2_latent_action, r2_pair, r2_supervised, and r2_increment
    with its 95 % interval over whole logs (low, high).
    """
    outputs = _outputs(model, learned, judged, settings, seed)
    wanted = judged.motion.cpu().double().numpy()
    rows: list[dict[str, Any]] = []
    for column, target in enumerate(TARGETS):
        about = {"seed": seed, "target": target}
        truth = wanted[:, column, None]
        found = {name: values[:, column, None] for name, values in outputs.items()}
        for name, values in found.items():
            rows.append({**about, "quantity": f"r2_{name}", "value": r_squared(truth, values)})
        both = np.concatenate([found[name] for name in _OVER], axis=1)
        low, high = interval(increment, truth, both, judged.groups)
        value = {"value": increment(truth, both), "low": low, "high": high}
        rows.append({**about, "quantity": "r2_increment", **value})
    return rows


def increment(targets: NDArray[np.float64], outputs: NDArray[np.float64]) -> float:
    """R² of the first column of outputs [N, 2] over that of the second; targets [N, 1]."""
    return r_squared(targets, outputs[:, :1]) - r_squared(targets, outputs[:, 1:])


def _outputs(
    model: LatentActions, learned: Pairs, judged: Pairs, settings: ActionTrainSettings, seed: int
) -> dict[str, NDArray[np.float64]]:
    """What each probe says of the held-out pairs, [N, 3]."""
    train, test = (_features(model, pairs) for pairs in (learned, judged))
    level = train["action"].mean(dim=0), train["action"].std(dim=0).clamp(min=1e-6)
    for features in (train, test):
        features["action"] = (features["action"] - level[0]) / level[1]
        features["latent_action"] = torch.cat([features["latent"], features["action"]], dim=1)
    outputs = {}
    for name in ("action", "latent", "latent_action", "pair"):
        shape = (settings.probe_hidden, 2, settings.probe_steps)
        outputs[name] = fitted(train[name], learned.motion, shape, seed)(test[name])
    outputs["supervised"] = supervised(settings.steps, model, learned, seed)(test["pair"])
    return outputs


def supervised(steps: int, model: LatentActions, learned: Pairs, seed: int) -> Reader:
    """A network of the inverse dynamics' shape that is told the motion of training pairs.

    It reads flat scaled tokens of both latents, [N, 2 L C].
    """
    shape = (int(model.config["hidden"]), int(model.config["layers"]), steps)
    return fitted(_features(model, learned)["pair"], learned.motion, shape, seed)


def _features(model: LatentActions, pairs: Pairs) -> dict[str, Tensor]:
    first, second = model.scaled(pairs.first), model.scaled(pairs.second)
    flat = first.flatten(1)
    return {
        "action": infer(model, first, second),
        "latent": flat,
        "pair": torch.cat([flat, second.flatten(1)], dim=1),
    }


def fitted(x: Tensor, y: Tensor, shape: tuple[int, int, int], seed: int) -> Reader:
    """An MLP (hidden width, layers, steps) fitted to x [N, D] and y [N, 3]."""
    hidden, layers, steps = shape
    torch.manual_seed(seed)
    network: nn.Module = mlp(x.size(1), hidden, layers, y.size(1)).to(x.device)
    mean, std = y.mean(dim=0), y.std(dim=0).clamp(min=1e-6)
    wanted = (y - mean) / std

    def loss(chosen: Tensor) -> Tensor:
        error: Tensor = network(x[chosen]) - wanted[chosen]
        return error.square().mean()

    one_cycle(network, loss, len(x), steps, _BATCH, _RATE, seed)

    @torch.no_grad()
    def read(features: Tensor) -> NDArray[np.float64]:
        found: NDArray[np.float64] = (network(features) * std + mean).cpu().double().numpy()
        return found

    return read


def ceiling_share(values: Mapping[str, float]) -> float:
    """R² of (z_t, action) as a share of the supervised network's; NaN where that one has none."""
    most = values["r2_supervised"]
    return values["r2_latent_action"] / most if most > 0 else float("nan")

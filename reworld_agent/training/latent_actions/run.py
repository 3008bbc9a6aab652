"""Latent actions are trained, judged on held-out drives, and written beside all figures."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from reworld_agent.config import ActionsConfig
from reworld_agent.core.errors import ConfigError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version, weights_hash
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.generation.model_choice import device_of
from reworld_agent.model import ReWorldModel
from reworld_agent.training.latent_actions.fit import errors, fit_actions, infer
from reworld_agent.training.latent_actions.pairs import TARGETS, Pairs, open_pairs
from reworld_agent.training.latent_actions.probe import ceiling_share, probe_rows
from reworld_agent.training.latent_actions.settings import ActionTrainSettings
from reworld_agent.video.latent_actions import LatentActions
from reworld_agent.video_metrics.probe.linear import r_squared

logger = logging.getLogger(__name__)
FOLDER, WEIGHTS, TABLE = "actions", "weights", "actions.parquet"
ERRORS = ("copy", "predicted", "shuffled", "zero", "transport", "residual")
# What latent actions are held to (means over seeds): errors as multiples, and R² beyond z_t.
MOST_OF_COPY, LEAST_SHUFFLED, LEAST_ZERO, LEAST_MORE = 0.65, 1.5, 1.3, 0.05


@dataclass(frozen=True)
class TrainedActions:
    """What was written.

    Attributes:
        weights: the folder of the first seed's latent actions; of a model with `actions` that of
            the whole model, which then has them, for stage 1.
        table: columns seed, quantity, target (of R²; else empty), value, low and high (95 %
            interval of r2_increment over whole logs; else NaN).
    """

    weights: Path
    table: pd.DataFrame

    def means(self) -> pd.DataFrame:
        """Mean and standard deviation over seeds, by quantity and target."""
        groups = self.table.groupby(["quantity", "target"], sort=False)["value"]
        return groups.agg(["mean", "std"])

    def verdict(self) -> list[tuple[str, bool]]:
        """What latent actions are held to, and whether these meet it."""
        mean = self.means()["mean"].to_dict()
        error = {name: float(mean[name, ""]) for name in ERRORS}
        part = min(error["transport"], error["residual"])
        lines = [
            _line("predicted / copy", error["predicted"] / error["copy"], most=MOST_OF_COPY),
            _line("shuffled / predicted", error["shuffled"] / error["predicted"], LEAST_SHUFFLED),
            _line("zero / predicted", error["zero"] / error["predicted"], LEAST_ZERO),
            _line("predicted / one part alone", error["predicted"] / part, most=1.0),
        ]
        for target in ("dy", "dyaw"):
            more = float(mean["r2_increment", target])
            lines.append(_line(f"R² beyond z_t of {target}", more, LEAST_MORE))
        return lines

    def text(self) -> str:
        """Means, shares of the ceiling and the verdict, in lines."""
        shown = self.means().to_string(float_format="{:.3f}".format, na_rep="")
        mean, lines = self.means()["mean"].to_dict(), [shown, ""]
        for target in TARGETS:
            values = {k: float(mean[k, target]) for k in ("r2_supervised", "r2_latent_action")}
            lines.append(f"share of the supervised R² of {target}: {ceiling_share(values):.2f}")
        lines += [f"{'holds' if passed else 'FAILS'}: {text}" for text, passed in self.verdict()]
        return "\n".join(lines)


def _line(
    name: str, value: float, least: float | None = None, most: float | None = None
) -> tuple[str, bool]:
    if least is not None:
        return f"{name} = {value:.3f}, at least {least:g}", value >= least
    return f"{name} = {value:.3f}, at most {most:g}", most is not None and value <= most


@one_writer
def train_actions(settings: ActionTrainSettings) -> TrainedActions:
    """Train latent actions over the frozen codec of a model, once for each seed.

    Raises:
        ConfigError: the codec is untrained, or frames and poses are of different rates.
        WeightsError, DataError: weights or frames are not there, or damaged.
    """
    model = ReWorldModel.from_pretrained(settings.checkpoint_path).eval()
    require_measured(model, settings.checkpoint_path)
    device = torch.device(device_of(settings.device))
    model.codec.to(device)
    sizes = settings.sizes(model.config.actions)
    learned, judged = open_pairs(settings, model)
    found: list[LatentActions] = []
    rows: list[dict[str, Any]] = []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        actions = one_run(settings, sizes, learned, model, seed)
        pair = actions.scaled(judged.first), actions.scaled(judged.second)
        for name, value in errors(actions, *pair).items():
            rows.append({"seed": seed, "quantity": name, "target": "", "value": value})
        told = {"quantity": "r2_adapter", "target": "", "value": adapter_r2(actions, judged)}
        rows.append({"seed": seed, **told})
        rows += probe_rows(actions, learned, judged, settings, seed)
        logger.info("seed %d is trained and judged", seed)
        found.append(actions)
    table = pd.DataFrame(rows, columns=["seed", "quantity", "target", "value", "low", "high"])
    weights = settings.output_dir / FOLDER
    found[0].cpu().save_pretrained(weights)
    if model.latent_actions is not None:
        model.latent_actions.load_state_dict(found[0].state_dict())
        weights = settings.output_dir / WEIGHTS
        model.cpu().save_pretrained(weights, ["With latent actions of its codec."])
    origin = {
        "protocol": "latent_actions_1",
        "code_version": code_version(),
        "codec_sha256": weights_hash(model.codec),
        "weights_sha256": weights_hash(found[0]),
        "train": settings.data_split,
        "split": settings.validated,
        "pairs": [len(learned), len(judged)],
        "steps": settings.steps,
        "transport": sizes.transport,
    }
    write_csv((settings.output_dir / TABLE).with_suffix(".csv"), table)
    write_parquet(settings.output_dir / TABLE, table, origin)
    return TrainedActions(weights, table)


def one_run(
    settings: ActionTrainSettings,
    sizes: ActionsConfig,
    learned: Pairs,
    model: ReWorldModel,
    seed: int,
) -> LatentActions:
    """Latent actions of one seed, trained, on the device of the pairs."""
    torch.manual_seed(seed)
    actions = LatentActions.build(sizes, *learned.first.shape[1:])
    actions.take_codec(model.codec)
    nn.Module.to(actions, learned.first.device)  # that of diffusers has lost its types
    fit_actions(actions, learned, settings.steps, settings.batch_size, settings.learning_rate, seed)
    return actions


@torch.no_grad()
def adapter_r2(actions: LatentActions, judged: Pairs) -> float:
    """Share of the variance of held-out actions that the adapter says from the motion."""
    pair = actions.scaled(judged.first), actions.scaled(judged.second)
    wanted, found = actions.standard(infer(actions, *pair)), actions.adapted(judged.motion)
    return r_squared(*(side.cpu().double().numpy() for side in (wanted, found)))


def require_measured(model: ReWorldModel, path: Path) -> None:
    """Raise ConfigError where a codec is not fitted or trained: its latents were never measured."""
    codec = model.codec
    if bool((codec.latents_std == 1).all() and (codec.latents_mean == 0).all()):
        message = f"the codec of {path} (codec.kind={model.config.codec.kind}) is not trained"
        raise ConfigError(message, "train it first: reworld video train-codec")

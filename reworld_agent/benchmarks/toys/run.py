"""Does self-guidance bring samples nearer to the distribution? Measured where that is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import t as student
from torch import Tensor
from tqdm import tqdm

from reworld_agent.benchmarks.toys.distributions import TOYS, Toy
from reworld_agent.benchmarks.toys.network import ToyNetwork, draw, train
from reworld_agent.benchmarks.toys.settings import GuidanceSettings
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import write_with_twin
from reworld_agent.core.setting_paths import with_ending
from reworld_agent.video_metrics.frechet import Gaussian, frechet_distance

MEASURES = ("frechet", "outliers", "log_likelihood", "spread")
FAR = 0.99  # of the real samples' distances to other real ones: what is farther is an outlier
_REAL = 20_000


@one_writer
def benchmark_guidance(settings: GuidanceSettings) -> pd.DataFrame:
    """A row for each seed and strength, and for as many real samples (gamma NaN).

    Columns: toy, seed, gamma, frechet (of values to 20,000 real samples), outliers (share of
    samples farther from every real one than 99 % of the real are), log_likelihood (mean, where it
    is known), spread (total variance).
    """
    toy = TOYS[settings.toy]()
    real = toy.sample(_REAL, torch.Generator().manual_seed(0))
    judge = Judge(toy, real)
    rows: list[dict[str, Any]] = []
    for seed in tqdm(range(1, settings.seeds + 1), desc=settings.toy, unit="seed"):
        torch.manual_seed(seed)
        network = ToyNetwork(toy.size, settings.width, settings.blocks)
        train(network, toy, settings.training_steps, settings.weight, seed)
        generator = torch.Generator().manual_seed(1_000 + seed)
        again = toy.sample(settings.samples, generator)
        rows.append({"toy": settings.toy, "seed": seed, "gamma": np.nan, **judge(again)})
        noise = torch.randn(settings.samples, toy.size, generator=generator)
        for gamma in settings.gammas:
            found = draw(network, noise, gamma, settings.steps)
            rows.append({"toy": settings.toy, "seed": seed, "gamma": gamma, **judge(found)})
    table = pd.DataFrame(rows)
    about = {k: v for k, v in settings.as_dict().items() if k != "output"}
    origin = {**about, "code_version": code_version()}
    write_with_twin(with_ending(settings.output, ".parquet"), table, origin)
    return table


class Judge:
    """What samples are held against.

    Args:
        toy: the distribution.
        real: samples of it [S, C].
    """

    def __init__(self, toy: Toy, real: Tensor) -> None:
        self.toy, self.gaussian = toy, Gaussian.of(real.double().numpy())
        self.known, rest = real.chunk(2)
        self.far = float(np.quantile(self._nearest(rest).numpy(), FAR))

    def _nearest(self, samples: Tensor) -> Tensor:
        """Distance [S] of samples to the nearest known real one; in 64 dimensions no tree helps."""
        parts = samples.split(1000)
        return torch.cat([torch.cdist(part, self.known).amin(dim=1) for part in parts])

    def __call__(self, samples: Tensor) -> dict[str, float]:
        """MEASURES of samples [S, C]."""
        values = samples.double().numpy()
        known = self.toy.log_likelihood(samples)
        return {
            "frechet": frechet_distance(self.gaussian, Gaussian.of(values)),
            "outliers": float((self._nearest(samples) > self.far).double().mean()),
            "log_likelihood": float("nan") if known is None else float(known.mean()),
            "spread": float(values.var(axis=0).sum()),
        }


def differences(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Each strength minus none, paired by seed: gamma, difference, low, high (95 %, Student)."""
    wide = table.dropna(subset="gamma").pivot_table(measure, "seed", "gamma")
    rows = []
    for gamma in [column for column in wide if column != 1.0]:
        found = (wide[gamma] - wide[1.0]).to_numpy()
        half = student.ppf(0.975, len(found) - 1) * found.std(ddof=1) / len(found) ** 0.5
        middle = found.mean()
        rows.append(
            {"gamma": gamma, "difference": middle, "low": middle - half, "high": middle + half}
        )
    return pd.DataFrame(rows, columns=["gamma", "difference", "low", "high"])

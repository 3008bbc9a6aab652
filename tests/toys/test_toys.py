"""Self-guidance on toys: densities, the sampler, the paired intervals, the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ttest_rel
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from reworld_agent.benchmarks.toys.distributions import SIDE, Shapes, Tree
from reworld_agent.benchmarks.toys.network import ToyNetwork, draw, train
from reworld_agent.benchmarks.toys.run import Judge, differences
from reworld_agent.cli.main import main


def test_density_of_the_tree_is_that_of_its_mixture() -> None:
    tree = Tree()
    spreads = tree.spreads.double()[:, None].expand(-1, 2)
    parts = Independent(Normal(tree.means.double(), spreads), 1)
    mixture = MixtureSameFamily(Categorical(torch.ones(len(parts.mean))), parts)
    x = tree.sample(500, torch.Generator().manual_seed(0))
    torch.testing.assert_close(tree.log_likelihood(x), mixture.log_prob(x.double()))
    many = tree.sample(20_000, torch.Generator().manual_seed(1))
    assert many.var(dim=0).mean() == pytest.approx(1.0, abs=0.05)
    torch.testing.assert_close(many.mean(dim=0), tree.means.mean(dim=0), rtol=0, atol=0.03)


def test_shapes_are_pictures_of_one_bright_thing() -> None:
    pictures = Shapes().sample(300, torch.Generator().manual_seed(0)).view(-1, SIDE, SIDE)
    assert pictures.min() >= -1.0 and pictures.max() <= 1.0
    lit = (pictures > -1).flatten(1).sum(dim=1)
    assert lit.min() >= 3 and lit.max() <= 49  # of 64
    assert len(torch.unique(pictures, dim=0)) == 300


def test_draw_is_euler_with_the_extrapolated_velocity() -> None:
    torch.manual_seed(0)
    network = ToyNetwork(2, 8, 3)
    noise = torch.randn(5, 2)
    x = noise.clone()
    for k in range(4):
        t = 1 - k / 4
        with torch.no_grad():
            middle, final = network(x, torch.full((5,), t))
        x = x - 0.25 * (middle + 1.7 * (final - middle))
    torch.testing.assert_close(draw(network, noise, 1.7, 4), x)


def test_training_learns_the_tree_and_is_seeded() -> None:
    tree = Tree()
    real = tree.sample(4000, torch.Generator().manual_seed(0))
    judge = Judge(tree, real)
    found = []
    for _ in range(2):
        torch.manual_seed(1)
        network = ToyNetwork(2, 32, 3)
        noise = torch.randn(1000, 2, generator=torch.Generator().manual_seed(2))
        before = judge(draw(network, noise, 1.0, 8))
        train(network, tree, 60, 0.5, seed=1)
        found.append(judge(draw(network, noise, 1.0, 8)))
    assert found[0] == found[1]
    assert found[0]["log_likelihood"] > before["log_likelihood"] + 1.0
    assert found[0]["outliers"] < before["outliers"]
    assert judge(real)["frechet"] == pytest.approx(0.0, abs=1e-6)


def test_differences_are_paired_student_intervals() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"seed": seed, "gamma": gamma, "frechet": seed + gamma + 0.1 * rng.normal()}
        for seed in range(1, 6)
        for gamma in (1.0, 1.4, 2.0)
    ]
    table = pd.DataFrame([*rows, {"seed": 1, "gamma": np.nan, "frechet": 0.0}])
    found = {row["gamma"]: row for row in differences(table, "frechet").to_dict("records")}
    for gamma in (1.4, 2.0):
        sides = [table[table["gamma"] == g]["frechet"].to_numpy() for g in (gamma, 1.0)]
        wanted = ttest_rel(*sides).confidence_interval(0.95)
        assert found[gamma]["low"] == pytest.approx(wanted.low)
        assert found[gamma]["high"] == pytest.approx(wanted.high)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "shapes.csv"
    words = ["benchmark", "guidance", "toy=shapes", "seeds=2", "gammas=[1.0,1.4]"]
    words += ["training_steps=3", "samples=200", "steps=2", "width=16", "blocks=3"]
    assert main([*words, f"output={output}"]) == 0
    assert "as many real samples" in capsys.readouterr().out
    table = pd.read_parquet(tmp_path / "shapes.parquet")
    assert list(table["seed"]) == [1, 1, 1, 2, 2, 2] and table["log_likelihood"].isna().all()
    real, drawn = table["frechet"].to_numpy()[:2]
    assert real < drawn
    assert main([*words, "gammas=[0.0]"]) == 2 and main([*words, "toy=trees"]) == 2

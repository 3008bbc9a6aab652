"""The hierarchical bootstrap against closed forms, and its coverage by simulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from reworld_agent.analysis import hierarchical_interval
from reworld_agent.core.errors import DataError

ONE_TOWN = {"drives": [f"d{k}" for k in range(40)]}


def test_seeds_alone_are_students_t() -> None:
    values = np.random.default_rng(0).normal(1.0, 0.3, (5, 1))
    found = hierarchical_interval(values, ["d"], resamples=40_000)
    wanted = stats.ttest_1samp(values[:, 0], 0).confidence_interval(0.95)
    assert found.degrees == 4 and found.cluster_error == 0
    assert found.low == pytest.approx(wanted.low, rel=0.02)
    assert found.high == pytest.approx(wanted.high, rel=0.02)


def test_drives_alone_are_students_t_over_drives() -> None:
    means = np.random.default_rng(1).normal(0.2, 0.5, 40)
    found = hierarchical_interval(means[None], ONE_TOWN["drives"], resamples=40_000)
    wanted = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert found.degrees == 39 and found.seed_error == 0
    assert found.low == pytest.approx(wanted.low, abs=0.01)
    assert found.high == pytest.approx(wanted.high, abs=0.01)


def test_scenes_of_a_drive_are_one_observation() -> None:
    drives = np.repeat(np.arange(20), 10)
    values = np.random.default_rng(2).normal(0, 1, 20)[drives][None]
    found = hierarchical_interval(values, [str(d) for d in drives])
    apart = hierarchical_interval(values, [str(k) for k in range(200)])
    assert found.clusters == 20 and apart.clusters == 200
    assert found.cluster_error > 2.5 * apart.cluster_error


def test_towns_are_strata_unless_they_are_drawn() -> None:
    towns = ["a"] * 20 + ["b"] * 20
    rng = np.random.default_rng(3)
    values = (np.repeat([0.0, 5.0], 20) + rng.normal(0, 0.1, 40))[None]
    inside = hierarchical_interval(values, ONE_TOWN["drives"], towns)
    outside = hierarchical_interval(values, ONE_TOWN["drives"], towns, over_towns=True)
    assert inside.clusters == 40 and inside.degrees == 38 and inside.high - inside.low < 0.2
    assert outside.clusters == 2 and outside.degrees == 1 and outside.high - outside.low > 50


def test_drives_of_one_name_in_two_towns_are_two() -> None:
    values = np.arange(8.0)[None]
    drives, towns = ["d1", "d1", "d2", "d2"] * 2, ["a"] * 4 + ["b"] * 4
    assert hierarchical_interval(values, drives, towns).clusters == 4


def test_what_cannot_be_known_is_not_a_number() -> None:
    found = hierarchical_interval(np.array([[0.5]]), ["d"])
    assert np.isnan(found.low) and np.isnan(found.high) and found.estimate == 0.5
    still = hierarchical_interval(np.full((3, 4), 0.5), list("abcd"))
    assert still.low == still.high == 0.5


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(4).normal(size=(3, 40))
    first, second = (hierarchical_interval(values, ONE_TOWN["drives"], seed=7) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("values", "drives"),
    [(np.zeros((2, 3)), ["a"]), (np.array([[np.nan]]), ["a"]), (np.zeros((0, 0)), [])],
)
def test_shapes_and_values_that_do_not_fit_are_refused(values: np.ndarray, drives: list) -> None:
    with pytest.raises(DataError):
        hierarchical_interval(values, drives)


@dataclass(frozen=True)
class World:
    """Standard deviations of what seeds, drives, both together, and scenes do to a value."""

    seed: float
    drive: float
    both: float
    scene: float
    seeds: int = 5
    towns: int = 2
    drives: int = 25
    scenes: int = 8

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, list[str], list[str]]:
        """Values [seeds, scenes] with a true mean of 0 over these towns, drives and towns."""
        many = self.towns * self.drives
        effect = rng.normal(0, self.drive, many) + rng.normal(0, self.both, (self.seeds, many))
        effect = effect + rng.normal(0, self.seed, (self.seeds, 1))
        values = np.repeat(effect, self.scenes, axis=1)
        values = values + rng.normal(0, self.scene, values.shape)
        drives = [str(k) for k in np.repeat(np.arange(many), self.scenes)]
        towns = [str(k) for k in np.repeat(np.arange(self.towns), self.drives * self.scenes)]
        return values, drives, towns


WORLDS = {
    "seeds": World(0.02, 0.01, 0.0, 0.1),
    "drives": World(0.0, 0.1, 0.0, 0.2),
    "both": World(0.02, 0.1, 0.05, 0.15),
    "few drives": World(0.01, 0.1, 0.0, 0.1, drives=6),
    "eight seeds": World(0.03, 0.05, 0.02, 0.1, seeds=8),
}


@pytest.mark.slow  # 4000 simulated experiments of each kind
@pytest.mark.parametrize("name", WORLDS)
def test_an_interval_of_95_percent_covers_the_truth_in_93_to_97_percent(name: str) -> None:
    world, covered, trials = WORLDS[name], 0, 4000
    for trial in range(trials):
        values, drives, towns = world.draw(np.random.default_rng(trial))
        found = hierarchical_interval(values, drives, towns, resamples=400, seed=trial)
        covered += found.low <= 0 <= found.high
    assert 0.93 <= covered / trials <= 0.97, covered / trials

"""Vocabularies from what people drove: means of clusters, or futures far from each other."""

from __future__ import annotations

import logging
import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from tqdm import tqdm

from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.scenes.splits import split_loader
from reworld_agent.vocabularies.files import write_vocabulary
from reworld_agent.vocabularies.settings import BuildVocabularyRun

logger = logging.getLogger(__name__)

_POSES = 8  # at 2 Hz, 4 s
_ROUNDS = 30  # of k-means
_EQUAL = 3  # decimals, mm and mrad, to which futures are the same


@one_writer
def build_vocabulary(settings: BuildVocabularyRun) -> NDArray[np.float32]:
    """Make a vocabulary of a split's logged futures, and write it.

    Returns:
        Float32 [V, 8, 3] at 2 Hz: x, y [m], heading [rad], ego frame at t0.

    Raises:
        DataError: the split has fewer different futures than trajectories are asked for, or the
            file cannot be written.
    """
    futures = logged_futures(settings)
    if not len(futures):
        raise DataError(
            f"no scene of {settings.train_test_split.data_split} has a logged future of 4 s",
            "widen train_test_split.scene_filter, or choose another split",
        )
    different = len(np.unique(futures.round(_EQUAL), axis=0))
    if different < settings.count:
        raise DataError(
            f"{different} different futures of 4 s for {settings.count} trajectories",
            f"set count={max(different // 2, 2)}, or use a larger split",
        )
    rng = np.random.default_rng(settings.seed)
    choose = {"kmeans": cluster_means, "furthest": furthest_points}[settings.method]
    poses = choose(futures, settings.count, settings.heading_m, rng).astype(np.float32)
    write_vocabulary(settings.output, poses)
    return poses


def logged_futures(settings: BuildVocabularyRun) -> NDArray[np.float64]:
    """Futures [M, 8, 3] of all scenes whose log goes on for 4 s."""
    loader = split_loader(settings.train_test_split)
    futures, faults = [], []
    for token in tqdm(loader.tokens, desc="futures", unit="scene", delay=2.0):
        try:
            scene = loader.get_scene_from_token(token)
        except DataError as error:
            faults.append(f"scene {token}: {error.message}")
            continue
        if scene.scene_metadata.num_future_frames >= _POSES:
            futures.append(scene.get_future_trajectory(_POSES).poses)
    if faults:
        count = f"{len(faults)} of {len(loader.tokens)} scenes are left out"
        logger.warning("%s: they cannot be read; first %s", count, faults[0])
    found = np.array(futures, np.float64).reshape(-1, _POSES, 3)
    return found[np.isfinite(found).all(axis=(1, 2))]


def cluster_means(
    futures: NDArray[np.float64], count: int, heading_m: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Means of k-means++ clusters of futures [M, L, 3]: [V, L, 3], the largest cluster first."""
    points = _points(futures, heading_m)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a cluster that is empty: see below
        means, labels = kmeans2(points, count, iter=_ROUNDS, minit="++", seed=rng)
    sizes = np.bincount(labels, minlength=count)
    order = np.argsort(-sizes, kind="stable")
    unwrapped = _unwrapped(futures)
    chosen = [
        unwrapped[labels == number].mean(axis=0)
        if sizes[number]
        else unwrapped[((points - means[number]) ** 2).sum(axis=1).argmin()]
        for number in order
    ]
    return np.stack(chosen)


def furthest_points(
    futures: NDArray[np.float64], count: int, heading_m: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Futures [V, L, 3], each the furthest from all before (Gonzalez 1985); the first is random."""
    points = _points(futures, heading_m)
    chosen = [int(rng.integers(len(points)))]
    nearest = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return futures[chosen]


def _unwrapped(futures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Headings without jumps along each future, which starts at 0 rad."""
    found = futures.copy()
    found[..., 2] = np.unwrap(np.insert(found[..., 2], 0, 0.0, axis=1), axis=1)[:, 1:]
    return found


def _points(futures: NDArray[np.float64], heading_m: float) -> NDArray[np.float64]:
    return (_unwrapped(futures) * [1.0, 1.0, heading_m]).reshape(len(futures), -1)

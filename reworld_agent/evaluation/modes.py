"""Plans of several modes: what the chosen one scores, the best of all, and the best of the first N.

Shapes: K modes of a plan, L poses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reworld_agent.core.errors import DataError
from reworld_agent.pdm.metrics import columns, score_columns
from reworld_agent.pdm.poses import INTERVAL
from reworld_agent.pdm.reward import Reward

MODES, MODE_SCORES = "modes", "mode_scores"  # columns of trajectories, attributes of a Trajectory
ORACLE, TOP = "oracle", (3, 5)


def modes_row(trajectory: Any, length: int) -> dict[str, list[float]]:
    """The modes of an agent's trajectory as columns; none of a trajectory of one mode.

    Args:
        trajectory: with `modes` [K, L, 3] and `mode_scores` [K], or without both.
        length: L, of its poses.

    Raises:
        DataError: they have other shapes, or are not finite.
    """
    modes, scores = (getattr(trajectory, name, None) for name in (MODES, MODE_SCORES))
    if modes is None and scores is None:
        return {}
    try:
        poses, values = np.asarray(modes, np.float64), np.asarray(scores, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"modes and mode_scores are no arrays of numbers ({error})") from error
    if poses.ndim != 3 or not len(poses) or poses.shape[1:] != (length, 3):
        raise DataError(f"modes have shape {list(poses.shape)}, the plan has [K, {length}, 3]")
    if values.shape != (len(poses),):
        raise DataError(f"{len(poses)} modes have mode_scores of shape {list(values.shape)}")
    if not (np.isfinite(poses).all() and np.isfinite(values).all()):
        raise DataError("modes or mode_scores are not finite")
    return {MODES: poses.ravel().tolist(), MODE_SCORES: values.tolist()}


def has_modes(planned: pd.DataFrame) -> bool:
    """Whether an agent's plans have modes."""
    return MODES in planned and bool(planned[MODES].notna().any())


def score_modes(
    planned: pd.DataFrame, caches: object, protocol: str, workers: int = 1
) -> pd.DataFrame:
    """Every mode of every plan, scored alone.

    Args:
        planned: trajectories with `modes` and `mode_scores`.
        caches: see `pdm.Reward`.
        protocol: of the scores; `both` names columns `<protocol>_<column>`.
        workers: processes.

    Returns:
        Columns token, mode (from 0), mode_score, and the protocol's; NaN where there is no score.
    """
    tables = []
    with Reward(caches, protocol, workers, columns(protocol)) as reward:
        for rows, count in _alike(planned[planned[MODES].notna()]):
            shape = (len(rows), count, -1, 3)
            poses = np.stack(rows[MODES].tolist()).reshape(shape)
            interval = rows[INTERVAL].iloc[0] if INTERVAL in rows else None
            found = reward(rows["token"].tolist(), poses, interval)
            keys = {
                "token": np.repeat(rows["token"].to_numpy(), count),
                "mode": np.tile(np.arange(count), len(rows)),
                "mode_score": np.concatenate(rows[MODE_SCORES].tolist()),
            }
            values = {name: column.ravel() for name, column in found.items()}
            tables.append(pd.DataFrame({**keys, **values}))
    return pd.concat(tables, ignore_index=True)


def _alike(planned: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, int]]:
    """Plans of one number of modes, of poses and of one sampling, and how many modes they have."""
    counts = planned[MODE_SCORES].map(len)
    keys: list[Any] = [counts, planned[MODES].map(len)]
    if INTERVAL in planned:
        keys.append(planned[INTERVAL].fillna(0.0))
    for _, rows in planned.groupby(keys, sort=True):
        yield rows, len(rows[MODE_SCORES].iloc[0])


def best_of(scored: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """One row a scene: the best score of all its modes, and of the N that its agent rates highest.

    Returns:
        Columns token, then for each score `oracle_<score>`, `oracle_mode_<score>` (its number) and
        `top_<N>_<score>`; NaN and -1 of a scene without any.
    """
    rows = []
    for token, modes in scored.groupby("token", sort=False):
        ranked = modes.sort_values("mode_score", ascending=False, kind="stable")
        row: dict[str, Any] = {"token": token}
        for name in score_columns(protocol):
            values = ranked[name].to_numpy()
            known = np.isfinite(values)
            row[f"{ORACLE}_{name}"] = _best(values)
            best = int(np.argmax(np.where(known, values, -np.inf))) if known.any() else None
            row[f"{ORACLE}_mode_{name}"] = -1 if best is None else int(ranked["mode"].iloc[best])
            row |= {f"top_{count}_{name}": _best(values[:count]) for count in TOP}
        rows.append(row)
    return pd.DataFrame(rows)


def _best(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if len(known) else float("nan")


def means(best: pd.DataFrame) -> dict[str, float]:
    """Means of the scores over the scenes; NaN where one has none."""
    numbers = [str(name) for name in best.columns if name != "token"]
    names = [name for name in numbers if not name.startswith(f"{ORACLE}_mode")]
    return {name: float(best[name].mean(skipna=False)) for name in names}

"""Random EPDMS rows of made-up frames, the same for every run: input of the aggregation's tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reworld_agent.pdm.protocols.aggregate import METRICS
from reworld_agent.pdm.simulate.bicycle import AX, HEADING


def frame(rng: np.random.Generator, token: str, log: str, time_s: float) -> dict[str, Any]:
    """One row as `plan_rows.plan_row` gives it."""
    states = np.zeros((41, 11))
    steps = time_s + np.arange(41) / 10.0
    states[:, HEADING] = 3.1 + 0.1 * np.sin(0.3 * steps)
    states[:, AX] = 0.5 * np.sin(0.5 * steps) + rng.choice([0.0, 0.2, 2.0], p=[0.5, 0.2, 0.3])
    start = np.array([300_000.0, 4_000_000.0]) + rng.normal(0.0, 0.3, 2)
    metrics = {name: float(rng.choice([0.0, 0.5, 1.0], p=[0.06, 0.14, 0.8])) for name in METRICS}
    return {
        "token": token,
        "log_name": log,
        "start_time_s": time_s,
        **metrics,
        "ego_progress": float(rng.random()),
        "endpoint_x": start[0] + rng.normal(0.0, 0.3),
        "endpoint_y": start[1] + rng.normal(0.0, 0.3),
        "start_point_x": start[0],
        "start_point_y": start[1],
        "states": states,
    }


def two_stage_frames() -> tuple[pd.DataFrame, list[list[Any]]]:
    """Seven groups with one to six pairs, shuffled, and their mapping; group 3 ends far away."""
    rng = np.random.default_rng(22)
    rows: list[dict[str, Any]] = []
    mapping: list[list[Any]] = []
    for g in range(7):
        time_s = 1.6e9 + 10.0 * g
        rows += [frame(rng, f"now{g}", f"log{g}", time_s)]
        rows += [frame(rng, f"before{g}", f"log{g}", time_s - 0.5)]
        if g == 3:
            rows[-2]["endpoint_x"] += 40.0
        pairs = [[f"now{g}_{k}", f"before{g}_{k}"] for k in range(1 + g % 6)]
        for now, before in pairs:
            rows += [frame(rng, now, f"log{g}", time_s + 4.0)]
            rows += [frame(rng, before, f"log{g}", time_s + 3.5)]
        mapping.append([f"now{g}", f"before{g}", pairs])
    table = pd.DataFrame(rows)
    return table.iloc[rng.permutation(len(table))].reset_index(drop=True), mapping


def one_stage_frames() -> pd.DataFrame:
    """Three logs of eight frames, with gaps, shuffled."""
    rng = np.random.default_rng(11)
    rows = []
    for log in range(3):
        time_s = 1.6e9
        for k in range(8):
            time_s += float(rng.choice([0.4, 0.5, 0.5, 0.5, 1.5]))
            rows.append(frame(rng, f"frame{log}_{k}", f"log{log}", time_s))
    table = pd.DataFrame(rows)
    return table.iloc[rng.permutation(len(table))].reset_index(drop=True)

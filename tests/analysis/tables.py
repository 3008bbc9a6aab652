"""Small score tables made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from reworld_agent.pdm.metrics import SCORE, Protocol
from reworld_agent.pdm.metrics.table import EPDMS_V2, PDMS_V1


def tokens(count: int) -> list[str]:
    """Hexadecimal tokens, some of which look like numbers."""
    return [f"{12345678 + i:016d}" if i % 2 else f"{i:013x}e10" for i in range(count)]


def scores(count: int = 40, seed: int = 0, protocol: Protocol = PDMS_V1) -> pd.DataFrame:
    """A table as NAVSIM writes it, without its summary row."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame({"token": tokens(count), "valid": True})
    for name in protocol.metrics[:-1]:
        frame[name] = (generator.random(count) < 0.8).astype(float)
    frame["ego_progress"] = generator.random(count)
    frame[SCORE] = protocol.score({name: frame[name].to_numpy() for name in protocol.metrics[:-1]})
    return frame


def v2_scores(count: int = 40, seed: int = 0) -> pd.DataFrame:
    """The same for NAVSIM v2."""
    return scores(count, seed, EPDMS_V2)


def with_footer(frame: pd.DataFrame, token: str = "average") -> pd.DataFrame:
    """With NAVSIM's last row."""
    means = frame.drop(columns=["token", "valid"]).mean()
    return pd.concat(
        [frame, pd.DataFrame([{"token": token, "valid": True, **means}])], ignore_index=True
    )


def two_stages(
    frame: pd.DataFrame, combined: float | None, first: int = 10, valid: bool = True
) -> pd.DataFrame:
    """A table of EPDMS as NAVSIM v2.2's two-stage script writes it, its first rows of stage one.

    `combined` is the official score; None leaves the official rows out.
    """
    staged = frame[["token", "valid", SCORE]].copy()
    for name in frame.columns.drop(["token", "valid", SCORE]):
        staged[f"{name}_stage_one"] = frame[name].where(frame.index < first)
        staged[f"{name}_stage_two"] = frame[name].where(frame.index >= first)
    if combined is None:
        return staged
    values = {"stage_one": 0.7, "stage_two": 0.5, "combined": combined}
    rows = [
        {"token": f"extended_pdm_score_{name}", "valid": valid, SCORE: value}
        for name, value in values.items()
    ]
    return pd.concat([staged, pd.DataFrame(rows)], ignore_index=True)


def write(frame: pd.DataFrame, path: Path, index: bool = False) -> Path:
    """As csv."""
    frame.to_csv(path, index=index)
    return path

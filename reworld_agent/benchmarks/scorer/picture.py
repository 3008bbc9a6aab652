"""The growth curve of the benchmark as a picture."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure


def draw_growth(curves: pd.DataFrame, path: Path) -> None:
    """Draw milliseconds against candidates (columns split, candidates, ms), both logarithmic."""
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for split, curve in curves.groupby("split", sort=False):
        axes.loglog(curve["candidates"], curve["ms"], marker="o", ms=4, label=str(split))
        last = curve.iloc[-1]
        rate = last["ms"] / last["candidates"]
        axes.loglog(curve["candidates"], rate * curve["candidates"], color="0.7", lw=0.8, zorder=0)
    axes.set_xlabel("candidates of one scene")
    axes.set_ylabel("time [ms], one thread")
    axes.set_title("Scoring grows linearly (grey: proportional)", fontsize=10)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)

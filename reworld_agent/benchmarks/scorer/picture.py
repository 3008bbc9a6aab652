"""The growth curve of the benchmark as a picture."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from reworld_agent.analysis.figures import style


def draw_growth(curves: pd.DataFrame, path: Path) -> None:
    """Draw milliseconds against candidates (columns split, candidates, ms), both logarithmic."""
    with style.paper():
        figure = Figure(figsize=(5.2, 3.4))
        axes = figure.add_subplot()
        for split, curve in curves.groupby("split", sort=False):
            axes.loglog(curve["candidates"], curve["ms"], marker="o", label=str(split))
            last = curve.iloc[-1]
            even = last["ms"] / last["candidates"] * curve["candidates"]
            axes.loglog(curve["candidates"], even, color="0.7", lw=0.8, ls="-", zorder=0)
        axes.set_xlabel("candidates of one scene")
        axes.set_ylabel("time [ms], one thread")
        axes.set_title("Scoring grows linearly (grey: proportional)")
        axes.legend()
        figure.savefig(path, dpi=150)

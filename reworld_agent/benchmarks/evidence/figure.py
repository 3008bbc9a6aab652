"""The figure of all effects: each with its interval, coloured by its verdict."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from reworld_agent.analysis.figures import style
from reworld_agent.core.atomic import write_atomically

COLOURS = {"supported": style.GREEN, "refuted": style.VERMILLION}
_OTHER = "#555555"


def write_figure(table: pd.DataFrame, file: Path) -> None:
    """Write a png: a small panel for each contrast that has an effect; raises DataError."""
    rows = table[table["effect"].notna()].to_dict("records")
    with style.paper():
        figure = _drawn(rows)
        write_atomically(file, lambda part: figure.savefig(part, format="png", dpi=150))


def _drawn(rows: list[dict[Hashable, Any]]) -> Figure:
    figure = Figure(figsize=(7, 0.6 + 0.55 * max(1, len(rows))))
    axes = figure.subplots(max(1, len(rows)), 1, squeeze=False)[:, 0]
    if not rows:
        axes[0].set_axis_off()
        axes[0].text(0.5, 0.5, "no design has been run", ha="center", va="center")
    for ax, row in zip(axes, rows, strict=False):
        colour = COLOURS.get(str(row["verdict"]), _OTHER)
        neutral = 0.0 if row["kind"] == "linear" else 1.0
        ax.axvline(neutral, color="#BBBBBB", linewidth=1, linestyle="-")
        ax.plot([row["low"], row["high"]], [0, 0], color=colour, linewidth=2, linestyle="-")
        ax.plot([row["effect"]], [0], "o", color=colour)
        ax.set_yticks([0], [f"{row['design']}: {row['contrast']}"])
        ax.spines["left"].set_visible(False)
    return figure

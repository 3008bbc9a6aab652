"""The figure of all effects: each with its interval, coloured by its verdict."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from reworld_agent.core.atomic import write_atomically

COLOURS = {"supported": "#009E73", "refuted": "#D55E00"}  # of Okabe and Ito
_OTHER = "#555555"


def write_figure(table: pd.DataFrame, file: Path) -> None:
    """Write a png: a small panel for each contrast that has an effect; raises DataError."""
    rows = table[table["effect"].notna()].to_dict("records")
    figure = Figure(figsize=(7, 0.6 + 0.55 * max(1, len(rows))), layout="constrained")
    axes = figure.subplots(max(1, len(rows)), 1, squeeze=False)[:, 0]
    if not rows:
        axes[0].set_axis_off()
        axes[0].text(0.5, 0.5, "no design has been run", ha="center", va="center")
    for ax, row in zip(axes, rows, strict=False):
        colour = COLOURS.get(str(row["verdict"]), _OTHER)
        neutral = 0.0 if row["kind"] == "linear" else 1.0
        ax.axvline(neutral, color="#BBBBBB", linewidth=1)
        ax.plot([row["low"], row["high"]], [0, 0], color=colour, linewidth=2)
        ax.plot([row["effect"]], [0], "o", color=colour)
        ax.set_yticks([0], [f"{row['design']}: {row['contrast']}"])
        ax.tick_params(labelsize=8)
        for side in ("top", "right", "left"):
            ax.spines[side].set_visible(False)

    def write(partial: Path) -> None:
        figure.savefig(partial, format="png", dpi=150)

    write_atomically(file, write)

"""Figures of the sweeps: every seed as a dot, the mean as a line; colours of Okabe and Ito."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter

from reworld_agent.analysis.figures import style
from reworld_agent.benchmarks.table2.sweeps import SWEEPS
from reworld_agent.core.atomic import write_atomically

COLOURS = {"vanilla": "#555555", "reworld": style.VERMILLION}
OTHER = style.BLUE
LABELS = {
    "velocity_error": "velocity error on held-out clips",
    "fvd": "FVD",
    "block": "block with the mid head (0 and dashed line: none)",
    "gamma": r"self-guidance $\gamma$",
    "step": "optimiser step",
    "method": "",
    "factor": r"factor of $L_\mathrm{RDE}$",
    "score": "PDMS",
}


def draw(name: str, table: pd.DataFrame, ax: Axes) -> None:
    """Draw the rows of a sweep (see `run_sweep`)."""
    _, varied, measured = SWEEPS[name]
    if name == "convergence":
        _curves(table, ax, measured)
    elif name == "representations":
        _methods(table, ax, measured)
    else:
        _means(table, ax, varied, measured)


def _curves(table: pd.DataFrame, ax: Axes, measured: str) -> None:
    for name, rows in table.groupby("method", sort=False):
        colour = COLOURS[str(name)]
        dashes = "--" if name == "vanilla" else "-"
        for _, seed in rows.groupby("seed"):
            ax.plot(seed["step"], seed[measured], color=colour, alpha=0.25, linewidth=1)
        mean = rows.groupby("step")[measured].mean()
        ax.plot(mean.index, mean, color=colour, linestyle=dashes, linewidth=2)
        last = (float(mean.index[-1]), float(mean.iloc[-1]))
        ax.annotate(str(name), last, xytext=(6, 0), textcoords="offset points", color=colour)
    ax.set(xlabel=LABELS["step"], ylabel=LABELS[measured], yscale="log")
    for ticks in (ax.yaxis.set_major_formatter, ax.yaxis.set_minor_formatter):
        ticks(FormatStrFormatter("%g"))
    ax.margins(x=0.12)


def _methods(table: pd.DataFrame, ax: Axes, measured: str) -> None:
    means = table.groupby("method")[measured].mean().sort_values(ascending=False)
    for place, name in enumerate(means.index):
        colour = COLOURS.get(str(name), OTHER)
        values = table.loc[table["method"] == name, measured]
        ax.plot(values, [place] * len(values), "o", color=colour, alpha=0.5, markersize=4)
        ax.plot(means[name], place, "|", color=colour, markersize=16, markeredgewidth=2.5)
    ax.set_yticks(range(len(means)), [str(name) for name in means.index])
    ax.set_xlabel(f"{LABELS[measured]} (dots: seeds, bars: means)")
    ax.grid(axis="x", alpha=0.3)


def _means(table: pd.DataFrame, ax: Axes, varied: str, measured: str) -> None:
    ax.plot(table[varied], table[measured], "o", color=OTHER, alpha=0.5, markersize=4)
    means = table.groupby(varied)[measured].mean()
    joined = means[means.index != 0] if varied == "block" else means  # 0 is no block
    ax.plot(joined.index, joined, color=OTHER, linewidth=2)
    if len(joined) < len(means):
        ax.axhline(float(means.loc[0]), color=COLOURS["vanilla"], linewidth=1.5, linestyle="--")
    ax.set(xlabel=LABELS[varied], ylabel=LABELS[measured])
    ax.set_xticks(list(means.index))


def write(name: str, table: pd.DataFrame, path: Path) -> None:
    """Write the figure of a sweep as PNG."""
    _save(lambda ax: draw(name, table, ax), path)


def write_means(table: pd.DataFrame, varied: str, measured: str, path: Path) -> None:
    """Write a figure of one column over another as PNG: every row, and means."""
    _save(lambda ax: _means(table, ax, varied, measured), path)


def _save(fill: Callable[[Axes], None], path: Path) -> None:
    with style.paper():
        figure = Figure(figsize=(6.4, 3.8))
        fill(figure.subplots())
        write_atomically(path, lambda part: figure.savefig(part, dpi=150, format="png"))

"""Charts of a run: shares of lost metrics, scores, and what the failures have in common.

Bars are told apart by colour (Okabe-Ito), hatch and label, so that they survive a grey printer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reworld_agent.analysis.explanation.explain import GROUPS
from reworld_agent.analysis.figures import style
from reworld_agent.analysis.tables.score_tables import ScoreTable
from reworld_agent.core.atomic import write_atomically
from reworld_agent.pdm.metrics import SCORE, metric, metric_called, metrics, short_name

BINS = 20


def counts(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Failed scenes by group and by the metric that costs most.

    Args:
        rows: of `explain_runs.explain_run`.
        by: one of `GROUPS`.

    Returns:
        Index: the group's values, sorted by size or, for bins, by what they hold; columns: short
        names of metrics.
    """
    decisive = rows.drop_duplicates("token")
    table = pd.crosstab(decisive[by], decisive["metric"])
    table = table[[row.short for row in metrics() if row.short in table]]
    sort_by = GROUPS[by]
    if sort_by is None:
        return table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    return table.loc[decisive.groupby(by)[sort_by].min().sort_values().index]


def histogram(axes: Axes, table: ScoreTable, name: str = SCORE) -> None:
    """How many scenes have which value of a metric, in bins of 0.05."""
    values = table.frame[name].dropna().to_numpy()
    number, edges = np.histogram(values, BINS, (0.0, 1.0))
    axes.bar(edges[:-1], number, width=1 / BINS, align="edge", color=style.BLUE, edgecolor="white")
    mean = float(values.mean()) if len(values) else 0.0
    axes.axvline(mean, color=style.VERMILLION, linestyle="--", linewidth=1.5)
    axes.annotate(
        f"mean {mean:.3f}",
        (mean, 0.97),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if mean > 0.5 else 4, 0),
        textcoords="offset points",
        ha="right" if mean > 0.5 else "left",
        va="top",
        color=style.VERMILLION,
        fontsize=style.SMALL,
    )
    _plain(axes, "scenes", short_name(name))


def lost(axes: Axes, table: ScoreTable) -> None:
    """Share of scenes in which each metric is below 1 (EP: below 0.5)."""
    rows = [metric(name) for name in table.protocol.explained if name in table.frame]
    shares = [100.0 * float((table.frame[row.name] < row.bound).mean()) for row in rows]
    labels = [row.short if row.bound == 1.0 else f"{row.short} < {row.bound:g}" for row in rows]
    bars = axes.barh(labels, shares, edgecolor="white")
    for bar, row in zip(bars, rows, strict=True):
        bar.set(facecolor=row.look.colour, hatch=row.look.hatch)
    axes.bar_label(bars, [f"{share:.1f} %" for share in shares], padding=3, fontsize=style.SMALL)
    axes.invert_yaxis()
    axes.set_xlim(0, max(shares, default=1.0) * 1.2 + 1e-9)
    _plain(axes, "", "share of scenes that lose it [%]")


def breakdown(axes: Axes, rows: pd.DataFrame, by: str = "class") -> None:
    """Failed scenes by group, each bar divided by the metric that costs most.

    Args:
        axes: where to draw.
        rows: of `explain_runs.explain_run`.
        by: class, command, speed, curvature, density or city.
    """
    if rows.empty:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no scene fails", ha="center", va="center", color=style.GREY)
        return
    table = counts(rows, by)
    left = np.zeros(len(table))
    for short in table:
        look_of = metric_called(str(short)).look
        width = table[short].to_numpy(float)
        bar: dict[str, Any] = {
            "color": look_of.colour,
            "hatch": look_of.hatch,
            "edgecolor": "white",
            "linewidth": 0.5,
        }
        axes.barh(table.index, width, left=left, label=str(short), **bar)
        left += width
    for place, total in enumerate(left):
        axes.text(total, place, f" {total:.0f}", va="center", fontsize=style.SMALL)
    axes.invert_yaxis()
    axes.set_xlim(0, left.max() * 1.12)
    look: dict[str, Any] = {"handlelength": 1.4, "columnspacing": 1.0, "borderaxespad": 0.0}
    where: dict[str, Any] = {
        "loc": "lower right",
        "bbox_to_anchor": (1.0, 1.0),
        "ncols": len(table.columns),
    }
    axes.legend(fontsize=style.SMALL - 1, frameon=False, **where, **look)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _plain(axes, "", f"failed scenes by {by}")


@style.plain_text()
def page(table: ScoreTable, rows: pd.DataFrame) -> Figure:
    """All charts of a run on one page."""
    with style.paper():
        figure = Figure(figsize=(10, 7.5))
        grid = figure.subplots(3, 2)
        lost(grid[0, 0], table)
        histogram(grid[0, 1], table)
        kinds = ("class", "command", "speed", "density")
        for axes, by in zip(grid[1:].ravel(), kinds, strict=True):
            breakdown(axes, rows, by)
    title = f"{table.label}, {table.protocol.title}, {len(table.frame):,} scenes"
    figure.suptitle(title, fontsize=11, fontweight="bold")
    return figure


def write(path: str | Path, table: ScoreTable, rows: pd.DataFrame) -> None:
    """All charts of a run in one file (png, pdf, svg by suffix); raises DataError."""
    figure, path = page(table, rows), Path(path)
    kind = path.suffix.lstrip(".") or "png"
    with style.paper():
        write_atomically(path, lambda partial: figure.savefig(partial, format=kind, dpi=110))


def _plain(axes: Axes, ylabel: str, xlabel: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=style.SMALL)
    axes.set_ylabel(ylabel, fontsize=style.SMALL)
    axes.set_xlabel(xlabel, fontsize=style.SMALL + 1)

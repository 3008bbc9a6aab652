"""The page of all claims: generated from the table alone, so that no sentence runs ahead of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reworld_agent.benchmarks.evidence.designs import Design, Designs
from reworld_agent.core.atomic import write_atomically

_HEAD = """# Evidence

Each claim of the paper that can be tested at small size, by a design that was written down before
any run (`reworld_agent/benchmarks/evidence/designs.yaml`). This page is written by
`reworld evidence table page=docs/evidence.md`, from runs and from the tables that were kept of
earlier ones (`kept=`); nothing in it is written by hand. Intervals are of 95 %, over training seeds
and over drives within the towns named (`analysis.hierarchical_interval`).
Nothing here is about real roads or the paper's size.

Town version {version}; learned on `{train}`, chosen on `{validation}`, judged on `{test}`.
"""


def write_page(file: Path, found: Designs, table: pd.DataFrame, claims: dict[str, str]) -> None:
    """Write the page; raises DataError."""
    world = vars(found.world)
    parts = [_HEAD.format(**world), _summary(found, claims)]
    for name, design in found.designs.items():
        rows = table[table["design"] == name].to_dict("records")
        parts.append(_section(name, design, rows))
    text = "\n".join(parts)
    write_atomically(file, lambda partial: partial.write_text(text, encoding="utf-8"))


def _summary(found: Designs, claims: dict[str, str]) -> str:
    lines = ["| | claim | here |", "|---|---|---|"]
    lines += [
        f"| {name} | {design.claim} ({design.source}) | **{claims[name]}** |"
        for name, design in found.designs.items()
    ]
    return "\n".join([*lines, ""])


def _section(name: str, design: Design, rows: Sequence[Mapping[Any, Any]]) -> str:
    lines = [
        f"## {name}. {design.claim}",
        "",
        f"{design.source}. Seeds {', '.join(map(str, design.seeds))}.",
    ]
    if design.lacks:
        lines.append(f"Cannot be run yet: it lacks {design.lacks}.")
    lines += ["", "| effect | value | 95 % | supported if | refuted if | verdict |"]
    lines.append("|---|---|---|---|---|---|")
    for row in rows:
        contrast = design.contrasts[str(row["contrast"])]
        value, interval = "", ""
        if not math.isnan(row["effect"]):
            unit = design.measures[contrast.measure].unit
            value = f"{row['effect']:.4f} {unit}".strip()
            interval = f"{row['low']:.4f} … {row['high']:.4f}"
        said = row["verdict"] + (f" ({row['missing']})" if row["missing"] else "")
        lines.append(
            f"| {row['contrast']} | {value} | {interval} | {contrast.supported.text()} | "
            f"{contrast.refuted.text()} | {said} |"
        )
    hours = rows[0]["hours"] if rows else math.nan
    cost = "" if math.isnan(hours) else f" Processor time: {hours:.2f} hours."
    gate = f" Gate: {rows[0]['gate']}." if rows and rows[0]["gate"] else ""
    more = "".join(f" {need}=…" for need in design.needs)
    lines += ["", f"`reworld evidence run design={name}{more}`.{cost}{gate}", ""]
    return "\n".join(lines)

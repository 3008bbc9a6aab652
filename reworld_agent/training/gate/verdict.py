"""What weights must hold to pass, and how it is told (thresholds fixed before any run)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reworld_agent.model.gate_record import FAILED, PASSED, VIDEO_PASSED
from reworld_agent.training.gate.planner import MEAN, OTHER, PlanQuality
from reworld_agent.training.gate.velocity import Velocity

LEAST_SLOPE = 0.95  # of the velocity on the noise, at t = 1
LEAST_LOSS = 0.05  # of PDMS: another scene's states below the mean state
ERROR, SLOPE, PDMS, ADE, LOSS = "velocity_error", "slope", "pdms", "ade_m", "action_flow"
DIFFERENCE = "pdms_mean_minus_other"
YES, NO = "yes", "no"
COLUMNS = [
    *("weights", "quantity", "of", "value", "bound", "zero", "wiener", "last_latent", "passed")
]


@dataclass(frozen=True)
class Gate:
    """The verdict on weights, and all that it rests on.

    Attributes:
        table: columns COLUMNS; a row for each quantity. `of`: noise level, or kind of states;
            `bound`: what the value is held against; passed: yes, no, or "" where none is asked.
        verdicts: by `raw` and, where they lie beside, `ema`; the first is of the weights named.
        provenance: of the table.
        written: its files.
    """

    table: pd.DataFrame
    verdicts: dict[str, str]
    provenance: dict[str, Any]
    written: tuple[Path, ...] = ()

    @property
    def verdict(self) -> str:
        """Of the weights that were named."""
        return next(iter(self.verdicts.values()))

    @property
    def passed(self) -> bool:
        """Whether the weights that were named hold all that was judged."""
        return not self.verdict.startswith(FAILED)

    def text(self) -> str:
        """The tables and verdicts, as they are printed."""
        blocks = []
        for name, verdict in self.verdicts.items():
            rows = self.table[self.table["weights"] == name]
            blocks.append("\n".join([f"weights: {name}", *_velocity_lines(rows), *_others(rows)]))
            blocks.append(f"gate, {name} weights: {verdict}")
        return "\n\n".join(blocks)


def rows_of(
    weights: str, velocity: Velocity, plans: Sequence[PlanQuality] | None
) -> list[dict[str, Any]]:
    """Rows of the table of one set of weights; None = the planner is not judged."""
    rows: list[dict[str, Any]] = [
        {
            "quantity": ERROR,
            "of": f"{error.t:g}",
            "value": error.model,
            "bound": error.last_latent,
            "zero": error.zero,
            "wiener": error.wiener,
            "last_latent": error.last_latent,
            "passed": YES if error.model < error.last_latent else NO,
        }
        for error in velocity.errors
    ]
    steep = YES if velocity.slope >= LEAST_SLOPE else NO
    rows.append(_row(SLOPE, "1", velocity.slope, LEAST_SLOPE, steep))
    for plan in plans or ():
        rows.append(_row(PDMS, plan.states, plan.pdms))
        rows.append(_row(ADE, plan.states, plan.ade_m))
        rows.append(_row(LOSS, plan.states, plan.loss))
    if plans is not None:
        pdms = {plan.states: plan.pdms for plan in plans}
        lost = pdms[MEAN] - pdms[OTHER]
        rows.append(_row(DIFFERENCE, "", lost, LEAST_LOSS, YES if lost >= LEAST_LOSS else NO))
    return [{"weights": weights, **row} for row in rows]


def _row(
    quantity: str, of: str, value: float, bound: float = np.nan, passed: str = ""
) -> dict[str, Any]:
    closed = dict.fromkeys(("zero", "wiener", "last_latent"), np.nan)
    return {"quantity": quantity, "of": of, "value": value, "bound": bound, **closed} | {
        "passed": passed
    }


def verdict_of(rows: Sequence[dict[str, Any]]) -> str:
    """`passed`, `video half passed` (the planner was not judged), or `failed: …` naming lines."""
    failed = [_named(row) for row in rows if row["passed"] == NO]
    if failed:
        return f"{FAILED}: {'; '.join(failed)}"
    judged = any(row["quantity"] == DIFFERENCE for row in rows)
    return PASSED if judged else VIDEO_PASSED


def _named(row: dict[str, Any]) -> str:
    value, bound = f"{row['value']:.3f}", f"{row['bound']:.3f}"
    if row["quantity"] == ERROR:
        return f"velocity at t = {row['of']} ({value}, floor {bound})"
    if row["quantity"] == SLOPE:
        return f"slope at t = 1 ({value}, least {bound})"
    return f"PDMS that another scene's states cost beside the mean state's ({value}, least {bound})"


def _velocity_lines(rows: pd.DataFrame) -> list[str]:
    lines = [f"{'t':>5}{'zero':>9}{'Wiener':>9}{'last + W.':>11}{'model':>9}   below the floor"]
    for row in rows[rows["quantity"] == ERROR].to_dict("records"):
        lines.append(
            f"{row['of']:>5}{row['zero']:>9.3f}{row['wiener']:>9.3f}{row['last_latent']:>11.3f}"
            f"{row['value']:>9.3f}   {row['passed']}"
        )
    return lines


def _others(rows: pd.DataFrame) -> list[str]:
    slope = rows[rows["quantity"] == SLOPE].iloc[0]
    lines = [f"slope at t = 1: {slope['value']:.3f} (at least {LEAST_SLOPE}): {slope['passed']}"]
    plans = rows[rows["quantity"].isin([PDMS, ADE, LOSS])]
    if plans.empty:
        return [*lines, "planner: not judged"]
    wide = plans.pivot_table(index="of", columns="quantity", values="value", sort=False)
    lines += ["", f"{'video states':<14}{'PDMS':>8}{'ADE (m)':>10}{'L_FM':>9}"]
    lines += [
        f"{kind:<14}{values[PDMS]:>8.4f}{values[ADE]:>10.3f}{values[LOSS]:>9.4f}"
        for kind, values in wide.iterrows()
    ]
    lost = rows[rows["quantity"] == DIFFERENCE].iloc[0]
    said = f"mean minus other: {lost['value']:+.4f} PDMS (at least {LEAST_LOSS}): {lost['passed']}"
    return [*lines, said]

"""The worst scenes of an explained run, with all their failures."""

from __future__ import annotations

from typing import Any

import pandas as pd


def worst(rows: pd.DataFrame, count: int) -> dict[str, tuple[dict[str, Any], ...]]:
    """The `count` worst scenes of an explained run: token → its failures, worst first.

    Args:
        rows: of `explain_runs.explain_run`, which are sorted so.
    """
    tokens = rows["token"].drop_duplicates().head(count)
    chosen = rows[rows["token"].isin(tokens)]
    groups = records_by_token(chosen)
    return {str(token): tuple(groups[str(token)]) for token in tokens}


def records_by_token(rows: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Rows of each scene as dicts, in their order."""
    groups: dict[str, list[dict[str, Any]]] = {}
    names = [str(name) for name in rows]
    for values in rows.itertuples(index=False, name=None):
        record = dict(zip(names, values, strict=True))
        groups.setdefault(str(record["token"]), []).append(record)
    return groups

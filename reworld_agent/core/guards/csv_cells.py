"""Texts in csv files that no spreadsheet takes for a formula, and that are read back as they were.

A text that starts with `=`, `+`, `-`, `@`, a tab or a carriage return is what Excel and others
compute with, whatever quotes stand around it: an apostrophe before it makes it a text for them.
Numbers stay as they are, also where they stand in a column of texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf")


def quoted(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with every text, its columns' names too, made safe for a spreadsheet."""
    return _changed(frame, lambda text: f"'{text}" if _is_formula(text) else text)


def unquoted(frame: pd.DataFrame) -> pd.DataFrame:
    """The table that was `quoted`."""
    return _changed(frame, lambda text: text[1:] if _QUOTED.match(text) else text)


def _is_formula(text: str) -> bool:
    return bool(_FORMULA.match(text)) and not _NUMBER.fullmatch(text)


def _changed(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    def cell(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    columns = {
        number: frame.iloc[:, number].map(cell)
        for number in range(frame.shape[1])
        if not pd.api.types.is_numeric_dtype(frame.dtypes.iloc[number])
    }
    changed = frame.copy(deep=False)
    for number, values in columns.items():
        changed.isetitem(number, values.array)
    return changed.set_axis([cell(name) for name in frame.columns], axis=1)

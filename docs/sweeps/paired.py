"""Differences within a sweep, paired by seed, with their intervals.

    python docs/sweeps/paired.py FILE COLUMN BASE VALUE [NAME=VALUE ...]
    python docs/sweeps/paired.py representations.csv method vanilla velocity_error
    python docs/sweeps/paired.py convergence.csv method vanilla velocity_error step=300
    python docs/sweeps/paired.py repulsion.csv factor 0.0 score split=town_val

Prints, for each value of COLUMN, the mean difference of VALUE from the row of the same seed whose
COLUMN is BASE, with the 95 % interval of Student's t over the seeds. NAME=VALUE chooses rows; of
rows along a training the last ones count. Three seeds make wide intervals: they are there so that
no mean is read alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t as student

FOLDER = Path(__file__).parent


def paired(rows: pd.DataFrame, column: str, base: str, value: str) -> pd.DataFrame:
    """Differences from `base`, one row for each other value of `column`.

    Args:
        rows: with a column `seed`; one row a seed and value of `column`.
        column: what is compared, such as `method`.
        base: the value of `column` that the others are compared with.
        value: the column whose difference is taken.

    Returns:
        Columns `column`, difference (mean over seeds), low, high (95 %, Student's t), seeds.
    """
    wide = rows.astype({column: str}).pivot_table(index="seed", columns=column, values=value)
    found = []
    for name in wide.columns.drop(base):
        difference = (wide[name] - wide[base]).dropna().to_numpy()
        mean, deviation = difference.mean(), difference.std(ddof=1)
        half = student.ppf(0.975, len(difference) - 1) * deviation / np.sqrt(len(difference))
        found.append((name, mean, mean - half, mean + half, len(difference)))
    return pd.DataFrame(found, columns=[column, "difference", "low", "high", "seeds"])


def chosen(file: str, conditions: list[str]) -> pd.DataFrame:
    """Rows of a sweep for which every NAME=VALUE holds, and the last step where none is named."""
    rows = pd.read_csv(FOLDER / file)
    wanted = dict(condition.split("=", 1) for condition in conditions)
    if "step" in rows and "step" not in wanted:
        rows = rows[rows["step"] == rows["step"].max()]
    for name, value in wanted.items():
        rows = rows[rows[name] == rows[name].dtype.type(value)]
    return rows


def main(arguments: list[str]) -> int:
    """Print the table of the arguments; 2 where there are too few."""
    if len(arguments) < 4:
        print(__doc__)  # noqa: T201 - a script
        return 0 if arguments == ["--help"] else 2
    file, column, base, value, *conditions = arguments
    table = paired(chosen(file, conditions), column, base, value)
    print(table.round(4).to_string(index=False))  # noqa: T201 - a script
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The constants that kernels freeze in, and the filters that they are handed."""

from __future__ import annotations

from typing import Any

import numpy as np

from reworld_agent.pdm.compiling import kernels
from reworld_agent.pdm.golden.shipped import deviation, expected, refuse_deviation
from reworld_agent.pdm.kernel_cache import frozen_constants
from reworld_agent.pdm.metrics.history_comfort import filters

_TOLERANCE = 1e-8  # the smallest of them are some 0.01
_SAMPLES = 54  # of three logged frames and a plan


def numeric_constants() -> dict[str, Any]:
    """Every number and array that the kernels compile in, by name, and history comfort's filters.

    Names of arrays and floats only: whole numbers are written in the source as they are.
    """
    functions = [kernel.py_func for kernel in kernels().values()]
    found = {
        name.removeprefix("reworld_agent.pdm."): value
        for name, value in frozen_constants(*functions).items()
        if isinstance(value, np.ndarray | float)
    }
    for order in (2, 3):
        made = filters(_SAMPLES, order)._asdict()
        found |= {f"filters({_SAMPLES}, {order}).{name}": made[name] for name in made}
    return found


def require_constants() -> None:
    """Raise ReWorldError where a constant is not what it was: linear algebra was wrong."""
    apart = deviation(numeric_constants(), expected()["constants"])
    refuse_deviation("constants that linear algebra computes differ", apart, _TOLERANCE)

"""Savitzky–Golay weights against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import savgol_filter

from reworld_agent.pdm.metrics.comfort import savgol_weights


@pytest.mark.parametrize(
    ("n", "window", "order", "derivative"),
    [(41, 8, 2, 0), (41, 5, 2, 1), (41, 5, 3, 2), (41, 41, 2, 0), (41, 41, 2, 1), (55, 15, 2, 1)],
)
def test_weights_equal_scipy(n: int, window: int, order: int, derivative: int) -> None:
    weights = savgol_weights(n, window, order, derivative, 0.1)
    start = np.clip(np.arange(n) - (window - 1) // 2, 0, n - window)
    dense = np.zeros((n, n))
    for i in range(n):
        dense[i, start[i] : start[i] + window] = weights[i]
    wanted = savgol_filter(np.eye(n), window, order, deriv=derivative, delta=0.1, axis=0)
    np.testing.assert_allclose(dense, wanted, atol=1e-10)

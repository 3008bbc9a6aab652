"""Does linear algebra give right numbers on this CPU?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reworld_agent.core.findings import FAIL, OK, Finding

CANARY_TOLERANCE = 1e-6
_CPU_FILE = Path("/proc/cpuinfo")
_SUSPECT_FLAG = "avx512_bf16"


def check_linear_algebra() -> Finding:
    """`np.linalg.pinv` on the tracker's own kind of matrix.

    OpenBLAS 0.3.20 (numpy 1.23) returns wrong values here on CPUs with avx512_bf16; the devkit
    computes its velocity profile with it, and its scores go wrong without a word (navsim#141).
    Of our scorer's routines each has a check of its own (`pdm.golden`).
    """
    steps, dt = 40, 0.1
    rows = np.tri(steps, steps - 1, -1) * dt**2
    heading = np.linspace(0.0, 1.2, steps)
    design = np.concatenate([np.full((steps, 1), dt), rows], axis=1)
    stacked = np.concatenate([design * np.cos(heading)[:, None], design * np.sin(heading)[:, None]])
    normal = stacked.T @ stacked + 1e-4 * np.eye(steps)
    deviation = float(np.abs(np.linalg.pinv(normal) @ normal - np.eye(steps)).max())
    where = f"numpy {np.__version__}, {_blas()}{_suspect_cpu()}"
    if deviation <= CANARY_TOLERANCE:
        return Finding("linear algebra", OK, f"pinv is right (error {deviation:.1e}); {where}")
    what = (
        f"np.linalg.pinv is wrong on this CPU (error {deviation:.3g}; {where}): scores and metric "
        "caches of the devkit are wrong too"
    )
    fix = "pip install 'numpy>=1.26', and make the devkit's metric caches anew"
    return Finding("linear algebra", FAIL, what, fix)


def _blas() -> str:
    from reworld_agent.core.provenance import blas_name

    return blas_name()


def _suspect_cpu() -> str:
    try:
        found = _SUSPECT_FLAG in _CPU_FILE.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return f", CPU with {_SUSPECT_FLAG}" if found else ""

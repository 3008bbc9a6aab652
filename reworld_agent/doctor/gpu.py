"""The GPU: none is needed, but one that is there must work."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

from reworld_agent.core.findings import FAIL, OK, WARN, Finding

_QUERY = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")


def check_gpu(asked: bool = False) -> Iterator[Finding]:
    """Each CUDA device that torch sees.

    Args:
        asked: the user wants one; its absence is then a failure.
    """
    import torch

    driver = _driver()
    if not torch.cuda.is_available():
        yield _absent(asked, driver, torch.version.cuda)
        return
    for index in range(torch.cuda.device_count()):
        yield _device(torch, index, driver)


def _absent(asked: bool, driver: str, built_for: str | None) -> Finding:
    if driver:
        why = "this torch is built for the CPU" if built_for is None else f"CUDA {built_for} fails"
        what = f"nvidia-smi shows {driver}, torch uses none: {why}"
        fix = "install torch for your CUDA version: https://pytorch.org/get-started/locally"
        return Finding("gpu", FAIL if asked else WARN, what, fix)
    what = "no CUDA device: the CPU is used (enough for model=tiny and for scoring)"
    fix = "run on a machine with an NVIDIA GPU and its driver" if asked else ""
    return Finding("gpu", FAIL if asked else OK, what, fix)


def _device(torch: Any, index: int, driver: str) -> Finding:
    """Memory, bfloat16, and a product of matrices beside the CPU's."""
    free, total = torch.cuda.mem_get_info(index)
    major, minor = torch.cuda.get_device_capability(index)
    bf16 = major >= 8  # Ampere and later compute it; older ones emulate
    left = torch.arange(4096, dtype=torch.float32).reshape(64, 64) / 4096
    wrong = (left.to(f"cuda:{index}") @ left.to(f"cuda:{index}").T).cpu() - left @ left.T
    what = (
        f"{torch.cuda.get_device_name(index)} (cuda:{index}), {free / 2**30:.1f} of "
        f"{total / 2**30:.1f} GiB free, compute {major}.{minor}, "
        f"bf16 {'yes' if bf16 else 'no'}, CUDA {torch.version.cuda}, "
        f"driver {driver.rpartition(', ')[2] or 'unknown'}"
    )
    if not wrong.abs().max() < 1e-1:
        return Finding("gpu", FAIL, f"{what}: its products are wrong", "update the driver")
    if not bf16:
        return Finding(
            "gpu", WARN, what, "use agent.dtype=float32, trainer.params.precision=32-true"
        )
    return Finding("gpu", OK, what)


def _driver() -> str:
    """Name and driver version of the first GPU that nvidia-smi lists; "" where there is none."""
    if shutil.which(_QUERY[0]) is None:
        return ""
    try:
        done = subprocess.run(_QUERY, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().partition("\n")[0]

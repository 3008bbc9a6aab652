"""Memory of a process is its own."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from reworld_agent.core.guards.process_memory import peak_memory

SAY = "from reworld_agent.core.guards.process_memory import peak_memory; print(peak_memory())"


def test_a_child_says_nothing_of_what_its_parent_held() -> None:
    held = np.ones(40_000_000)  # 320 MB
    own = peak_memory()
    child = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True)
    assert own > held.nbytes
    assert int(child.stdout) < held.nbytes / 2


def test_what_is_given_back_stays_the_peak() -> None:
    before = peak_memory()
    np.ones(before // 8 + 10_000_000).sum()
    assert peak_memory() > before + 60_000_000

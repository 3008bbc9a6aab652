"""The kernels that are compiled beforehand are those that a real run calls."""

from __future__ import annotations

from pathlib import Path

import numba
import numpy as np
import pytest

from reworld_agent import pdm
from reworld_agent.pdm import compiling
from tests.pdm import small_scene


def test_a_real_run_needs_no_other_types_than_the_examples(tmp_path: Path) -> None:
    log = small_scene.frames()
    small_scene.write(tmp_path, log)
    examples = compiling._examples().items()
    # other tests of this process may have called a kernel by itself, with other types
    before = {name: set(kernel.signatures) for name, (kernel, _) in examples}
    cache = pdm.build_scene_cache(
        tmp_path, tmp_path / "maps", small_scene.SPLIT, str(log[3]["token"])
    )
    for n in (1, 2):
        pdm.score(cache, np.zeros((n, 8, 3)), protocol="both", explain=True)
    for name, (kernel, arguments) in examples:
        types = tuple(numba.typeof(argument) for argument in arguments)
        assert types in kernel.signatures, name
        assert set(kernel.signatures) - before[name] <= {types}, name


def test_shares_hold_every_kernel_once_and_cost_about_the_same() -> None:
    names = list(compiling._COST_S)
    assert set(names) == set(compiling._examples())
    for n in (2, 3):
        shares = compiling._shares(names, n)
        assert sorted(name for share in shares for name in share) == sorted(names)
        costs = [sum(compiling._COST_S[name] for name in share) for share in shares]
        assert max(costs) < 1.5 * min(costs)


def test_nothing_is_started_where_all_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_process(names: object) -> None:
        raise AssertionError(f"a process was started for {names}")

    monkeypatch.setattr(compiling, "_start", no_process)
    monkeypatch.setattr(compiling, "_is_on_disk", lambda kernel: True)
    compiling.ensure_compiled.cache_clear()
    compiling.ensure_compiled()

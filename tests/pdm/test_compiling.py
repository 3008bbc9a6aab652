"""The kernels that are compiled beforehand are those that a real run calls."""

from __future__ import annotations

import ast
import errno
import importlib.util
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from reworld_agent import pdm
from reworld_agent.pdm import compiling, kernel_cache
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


KERNEL = """
import numpy as np
from reworld_agent.pdm.kernel import helper, kernel

TABLE = np.array({table})

@helper
def third(x):
    return TABLE[2] * x

@kernel
def times(x):
    return third(x)
"""


def _kernel(folder: Path, table: str = "[1.0, 2.0, 3.0]") -> Any:
    """A kernel as a new process finds it, with a constant of its module in its helper."""
    file = folder / "small_kernel.py"
    if not file.exists():
        file.write_text(KERNEL.format(table="None"))
    spec = importlib.util.spec_from_file_location("small_kernel", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module)["TABLE"] = np.array(ast.literal_eval(table))
    return module.times


def _hits(kernel: Any) -> int:
    return sum(kernel.stats.cache_hits.values())


def test_a_kernel_with_another_constant_is_another_kernel(tmp_path: Path) -> None:
    """What linear algebra froze in while it was wrong is not found once it is right."""
    first = _kernel(tmp_path, "[1.0, 2.0, 4.5]")
    assert (first(2.0), _hits(first)) == (9.0, 0)
    right = _kernel(tmp_path)
    assert (right(2.0), _hits(right)) == (6.0, 0)
    again = _kernel(tmp_path)
    assert (again(2.0), _hits(again)) == (6.0, 1)


def test_another_library_is_another_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    function = compiling.kernels()["simulate"].py_func
    before = kernel_cache.kernel_stamp(function)
    assert kernel_cache.kernel_stamp(function) == before
    monkeypatch.setattr(kernel_cache, "_libraries", lambda: "numpy 1.23.0, openblas 0.3.20")
    assert kernel_cache.kernel_stamp(function) != before
    assert any(name.endswith("._SPEED_BANDS") for name in kernel_cache.frozen_constants(function))


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "noise", "empty"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, kind: str, damage: str) -> None:
    assert _kernel(tmp_path)(2.0) == 6.0
    (file,) = tmp_path.rglob(f"*.{kind}")
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    if damage == "flipped":
        content[middle] ^= 255
    changed = {"cut": content[:middle], "flipped": content, "noise": b"\x80\x05" * 99, "empty": b""}
    file.write_bytes(bytes(changed[damage]))
    found = _kernel(tmp_path)
    assert (found(2.0), _hits(found)) == (6.0, 0)
    again = _kernel(tmp_path)
    assert (again(2.0), _hits(again)) == (6.0, 1)


def test_a_full_disk_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kernel_cache._KernelFile, "_save_index", full)
    assert _kernel(tmp_path)(2.0) == 6.0
    assert "compiled kernels cannot be kept (No space left on device)" in caplog.text


def test_without_a_folder_for_the_cache_every_process_compiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr("reworld_agent.pdm.kernel.KernelCache", nowhere)
    assert _kernel(tmp_path)(2.0) == 6.0
    assert not list(tmp_path.rglob("*.nbi"))

"""An installation whose scores cannot be trusted is told so, and refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from reworld_agent import compat
from reworld_agent.core.findings import FAIL, OK, WARN, Finding, run_checks
from reworld_agent.doctor import disk, gpu, host, numerics, versions


def test_broken_pinv_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert numerics.check_linear_algebra().status == OK
    pinv = np.linalg.pinv
    monkeypatch.setattr(np.linalg, "pinv", lambda matrix: 0.9 * pinv(matrix))
    flags = tmp_path / "cpuinfo"
    flags.write_text("flags : fpu avx512_bf16\n", encoding="utf-8")
    monkeypatch.setattr(numerics, "_CPU_FILE", flags)
    finding = numerics.check_linear_algebra()
    assert finding.status == FAIL
    assert "metric caches" in finding.what and "CPU with avx512_bf16" in finding.what
    assert "numpy>=1.26" in finding.fix


def test_an_unforeseen_failure_is_a_finding() -> None:
    def check_disk_speed() -> Finding:
        raise OSError("no such device")

    (found,) = run_checks([check_disk_speed])
    assert (found.name, found.status) == ("disk speed", FAIL)
    assert found.what == "OSError: no such device"


def _fake_navsim(folder: Path) -> None:
    (folder / "navsim").mkdir(parents=True)
    (folder / "navsim" / "__init__.py").write_text('"""Navigation of ships."""\n')
    info = folder / "navsim-9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: navsim\nVersion: 9.9\n")
    (info / "top_level.txt").write_text("navsim\n")


def test_an_unrelated_navsim_is_recognised_and_named(tmp_path: Path) -> None:
    _fake_navsim(tmp_path)
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from reworld_agent.doctor.host import check_navsim\n"
        "f = check_navsim(); print(f.status, f.what, f.fix, sep='|')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    status, what, fix = done.stdout.strip().split("|")
    assert status == WARN and fix == "pip uninstall navsim"
    assert "'navsim' 9.9" in what and str(tmp_path) in what
    assert "not the NAVSIM devkit" in what


@pytest.mark.parametrize(
    ("kind", "status"), [("absent", OK), ("devkit", OK), ("unrelated", WARN), ("broken", FAIL)]
)
def test_each_kind_of_navsim(monkeypatch: pytest.MonkeyPatch, kind: str, status: str) -> None:
    found = compat.NavsimInstallation(kind, version=2, path="lib/navsim", reason="ImportError: x")
    monkeypatch.setattr(compat, "find_navsim", lambda: found)
    finding = host.check_navsim()
    assert finding.status == status
    assert kind == "absent" or "lib/navsim" in finding.what
    assert finding.fix or status == OK


def test_versions_that_do_not_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert next(versions.check_libraries()).status == OK
    real = versions._version
    monkeypatch.setattr(versions, "_version", lambda n: "0.1" if n == "scipy" else real(n))
    first, second = versions.check_libraries()
    assert first.status == FAIL and "scipy 0.1 is not >=" in first.what
    assert second.status == WARN and "scipy 0.1, not " in second.what
    monkeypatch.setattr(versions, "_version", lambda n: None if n == "numba" else real(n))
    assert "numba is not installed" in next(iter(versions.check_libraries())).what
    monkeypatch.setattr(versions.importlib, "import_module", _raise(ImportError("numpy 2 wanted")))
    assert "import pyarrow fails (ImportError: numpy 2" in next(versions.check_libraries()).what
    assert not list(versions._against_constraints(tmp_path / "absent.txt"))


def _raise(error: Exception) -> Callable[[str], None]:
    def call(_: str) -> None:
        raise error

    return call


def test_a_full_or_closed_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REWORLD_HOME", str(tmp_path / "not" / "yet"))
    monkeypatch.setenv("NAVSIM_EXP_ROOT", str(tmp_path / "file" / "results"))
    (tmp_path / "file").write_text("")
    cache, results = disk.check_disk()
    assert cache.status in (OK, WARN) and results.status == FAIL
    assert "cannot be written" in results.what and "output_dir" in results.fix
    for free, status in ((1e8, FAIL), (2e9, WARN), (1e12, OK)):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda _, usage=usage: usage)
        assert next(iter(disk.check_disk())).status == status


def test_no_gpu_is_fine_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "_driver", lambda: "")
    assert [f.status for f in gpu.check_gpu()] == [OK]
    (asked,) = gpu.check_gpu(asked=True)
    assert asked.status == FAIL and asked.fix
    monkeypatch.setattr(gpu, "_driver", lambda: "NVIDIA H200, 570.1")
    (unused,) = gpu.check_gpu()
    assert unused.status == WARN and "H200" in unused.what


@pytest.mark.gpu
def test_a_gpu_is_described() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    found = list(gpu.check_gpu(asked=True))
    assert all(finding.status in (OK, WARN) for finding in found)
    assert "GiB free" in found[0].what and "driver" in found[0].what

"""Allow-list unpickling: numpy of both generations passes, anything else runs no code."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
from pathlib import Path

import numpy as np
import pytest

from reworld_agent.core.errors import DataError
from reworld_agent.core.unpickle import load_pickle


class _Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.target),)


def _write(path: Path, value: object, protocol: int) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_containers_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    value: list[dict] = [
        {"a": np.arange(6.0).reshape(2, 3), "b": np.array(["x", "yy"]), "c": np.float64(0.1)},
        {"d": np.array([], dtype=np.int64), "e": (1, None, True), "f": {1, 2}, "g": b"\x00\xff"},
    ]
    loaded = load_pickle(_write(tmp_path / "a.pkl", value, protocol))
    np.testing.assert_array_equal(loaded[0]["a"], value[0]["a"])
    np.testing.assert_array_equal(loaded[0]["b"], value[0]["b"])
    assert loaded[0]["c"] == np.float64(0.1)
    assert loaded[1]["e"] == (1, None, True)
    assert loaded[1]["f"] == {1, 2}
    assert loaded[1]["g"] == b"\x00\xff"


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_arrays_of_both_numpy_generations(tmp_path: Path, core: bytes) -> None:
    content = pickle.dumps(np.arange(3.0), protocol=2)
    written = b"numpy._core" if b"numpy._core" in content else b"numpy.core"
    path = tmp_path / "a.pkl"
    path.write_bytes(content.replace(written, core))
    np.testing.assert_array_equal(load_pickle(path), np.arange(3.0))


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_hostile_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "owned"
    path = _write(tmp_path / "bad.pkl", [{"token": _Attack(target)}], protocol)
    with pytest.raises(DataError, match=r"bad\.pkl.*mkdir"):
        load_pickle(path)
    assert not target.exists()


@pytest.mark.parametrize(
    "name",
    ["builtins eval", "builtins getattr", "os system", "numpy load", "numpy.core.numeric full"],
)
def test_other_names_of_known_modules_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bad.pkl"
    path.write_bytes(b"c" + name.replace(" ", "\n").encode() + b"\n.")
    pickletools.dis(path.read_bytes(), out=io.StringIO())
    with pytest.raises(DataError, match=name.replace(" ", r"\.")):
        load_pickle(path)


def test_truncated_and_missing_files_are_named(tmp_path: Path) -> None:
    whole = pickle.dumps([{"a": np.arange(100.0)}])
    path = tmp_path / "cut.pkl"
    for length in (0, 1, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.pkl: not a whole pickle"):
            load_pickle(path)
    with pytest.raises(DataError, match=r"gone\.pkl: no such file"):
        load_pickle(tmp_path / "gone.pkl")

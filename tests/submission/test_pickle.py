"""The file is the devkit's own, byte for byte, and reading one runs no code of it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from reworld_agent.core.errors import DataError
from reworld_agent.submission import reader, writer
from reworld_agent.submission.contents import Plan, Submission
from reworld_agent.submission.fields import FIELDS, field_faults

GOLDEN = Path(__file__).parent / "golden"  # written by the stock devkit; see make.py there
NUMPY_2, NUMPY_1 = b"\x16numpy._core.multiarray", b"\x15numpy.core.multiarray"
FRAME = 11  # protocol and length of the frame come first; the length changes with the name

STAND_INS = (writer.TRAJECTORY, writer.SAMPLING)


@pytest.mark.parametrize(
    ("name", "version", "counts"), [("v11", "1.1", [3]), ("v22", "2.2", [3, 2])]
)
def test_the_devkits_file_is_read_and_written_again(
    tmp_path: Path, name: str, version: str, counts: list[int]
) -> None:
    golden = GOLDEN / f"{name}.pkl"
    submission = reader.read(golden)
    assert submission.version == version
    assert submission.fields["country / region"] == "Iceland"
    assert [len(seeds[0]) for seeds in submission.stages.values()] == counts
    for key, (plans,) in submission.stages.items():
        for token, plan in plans.items():
            assert len(token) == (17 if key.startswith("second") else 16)
            assert plan.poses.dtype == np.float32 and plan.poses.shape == (8, 3)
            assert plan.interval_s == 0.5
    writer.write(submission, tmp_path / "again.pkl")
    written = (tmp_path / "again.pkl").read_bytes()
    assert written[FRAME:] == golden.read_bytes().replace(NUMPY_2, NUMPY_1)[FRAME:]
    assert b"numpy._core" not in written


def test_it_unpickles_into_the_devkits_classes(tmp_path: Path) -> None:
    """Classes of the devkit's names, in another process, are what the file asks for."""
    for module, name in STAND_INS:
        file = tmp_path / f"{module.replace('.', '/')}.py"
        file.parent.mkdir(parents=True)
        file.write_text(f"class {name}: pass\n")
    poses = np.arange(24, dtype=np.float32).reshape(8, 3)
    plan = Plan(poses, 0.5)
    submission = Submission(
        "1.1",
        dict.fromkeys(FIELDS.values(), "x"),
        {"predictions": ({"a" * 16: plan, "b" * 16: plan},)},
    )
    writer.write(submission, tmp_path / "s.pkl")
    code = (
        "import pickle; s = pickle.load(open('s.pkl', 'rb')); a, b = s['predictions'][0].values()\n"
        "assert a.trajectory_sampling is b.trajectory_sampling\n"
        "print(type(a).__module__, type(a.trajectory_sampling).__module__, a.poses.sum(),"
        " vars(a.trajectory_sampling))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("{")[0].split() == [
        *(m for m, _ in (writer.TRAJECTORY, writer.SAMPLING)),
        "276.0",
    ]
    assert "{'num_poses': 8, 'time_horizon': 4.0, 'interval_length': 0.5}" in done.stdout
    assert "navsim.common.dataclasses" not in sys.modules  # no stand-in stays behind here


class _Hostile:
    def __reduce__(self) -> tuple:
        return os.system, ("touch harmed",)


def _dump(path: Path, content: object) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


def test_a_hostile_file_is_refused_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"names 'posix\.system', which no submission needs"):
        reader.read(_dump(tmp_path / "x.pkl", {"predictions": [{"a": _Hostile()}]}))
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds a list, no dictionary"),
        ({"team_name": "x"}, "no predictions; its keys are team_name"),
        ({"predictions": {}}, "is a dict, not a list"),
        ({"predictions": [{1: 2}]}, "the token 1 is no text"),
        ({"predictions": [{"a": np.zeros((8, 3))}]}, "holds a ndarray, no navsim Trajectory"),
    ],
)
def test_what_is_no_submission_is_told(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        reader.read(_dump(tmp_path / "x.pkl", content))


def test_damaged_and_absent_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        reader.read(tmp_path / "absent.pkl")
    (tmp_path / "cut.pkl").write_bytes((GOLDEN / "v11.pkl").read_bytes()[:400])
    with pytest.raises(DataError, match="not a whole pickle"):
        reader.read(tmp_path / "cut.pkl")


def _instance(attributes: dict) -> writer._Instance:
    return writer._Instance(writer._NAMES[writer.TRAJECTORY], attributes)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "no array of real numbers"),
        ({"poses": np.zeros((8, 3), object)}, "no array of real numbers"),
        ({"poses": np.zeros((8, 3))}, "no sampling"),
    ],
)
def test_trajectories_that_are_none(tmp_path: Path, attributes: dict, message: str) -> None:
    with (tmp_path / "x.pkl").open("wb") as stream:
        writer.dump({"predictions": [{"a" * 16: _instance(attributes)}]}, stream)
    with pytest.raises(DataError, match=message):
        reader.read(tmp_path / "x.pkl")


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_lists_of_a_configuration_are_read(tmp_path: Path, protocol: int) -> None:
    """The devkit's script writes `authors=[a,b]` as omegaconf's own list."""
    fields = dict.fromkeys(FIELDS.values(), "x") | {"email": "a@b.de"}
    config = OmegaConf.create({"authors": ["A. B.", "C"], "deep": [["a"], {"k": 1}]})
    content = {**fields, "authors": config.authors, "extra": config.deep, "predictions": [{}]}
    file = tmp_path / "stock.pkl"
    file.write_bytes(pickle.dumps(content, protocol))
    submission = reader.read(file)
    assert submission.fields["authors"] == ["A. B.", "C"]
    assert submission.fields["extra"] == [["a"], {"k": 1}]
    assert field_faults(submission.fields) == []
    file.write_bytes(pickle.dumps({**content, "authors": os.system}, protocol))
    with pytest.raises(DataError, match="nothing of it was run"):
        reader.read(file)

"""`reworld submit`: from a run to a file, from a file to a verdict."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reworld_agent.cli import main as cli
from reworld_agent.core.result_tables import write_parquet
from reworld_agent.submission import build, reader
from reworld_agent.submission.runs import read_run
from tests.submission.test_checks import SYNTHETIC, TOKENS, _straight

TEAM = ("team_name=Us", "authors=A. One", "email=a@b.org", "institution=Lab", "country=Iceland")


def _write(path: Path, tokens: list[str], poses: list | None = None, **origin: str) -> Path:
    poses = poses or [_straight(4.0 + i).ravel().tolist() for i in range(len(tokens))]
    write_parquet(path, pd.DataFrame({"token": tokens, "poses": poses}), origin)
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of ten scenes, as `reworld score` leaves it, but for the data that it was made from."""
    folder = tmp_path / "run"
    _write(folder / "trajectories.parquet", TOKENS)
    write_parquet(folder / "inference.parquet", pd.DataFrame({"token": TOKENS}), {})
    return folder


def _submit(*words: object) -> int:
    return cli.main(["submit", *map(str, words)])


def test_build_and_check(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out" / "s.pkl"
    assert _submit(run, "version=1.1", f"output={output}", *TEAM) == 0
    assert "10 scenes, those of the run's inference.parquet" in capsys.readouterr().out
    (plans,) = reader.read(output).stages["predictions"]
    assert list(plans) == TOKENS and plans[TOKENS[1]].poses.dtype == np.float32
    np.testing.assert_array_equal(plans[TOKENS[1]].poses, _straight(5.0))
    assert _submit(f"check={output}") == 0
    assert "passes" in capsys.readouterr().out


def test_second_stage_from_the_same_or_another_run(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "s.pkl"
    other = _write(tmp_path / "second.parquet", SYNTHETIC[:4])
    words = ("version=2.2", f"output={output}", *TEAM)
    assert _submit(run, *words, f"second_stage={other}") == 0
    stages = reader.read(output).stages
    assert [len(seeds[0]) for seeds in stages.values()] == [10, 4]
    _write(run / "trajectories.parquet", [*TOKENS, *SYNTHETIC[:4]])
    assert _submit(run, *words) == 0
    assert list(reader.read(output).stages["second_stage_predictions"][0]) == SYNTHETIC[:4]
    assert _submit(run, "version=1.1", f"output={output}", *TEAM, f"second_stage={other}") == 2


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("version=1.1", *TEAM), 2, "output= is missing"),
        (("version=1.1", "output=s.pkl"), 2, "'team_name' is missing"),
        (("version=3", "output=s.pkl", *TEAM), 2, "version=3 must be one of 1.1, 2.2"),
        (("output=s.pkl", *TEAM), 2, "version=1.1 is of the PDMS leaderboards"),
        (("versoin=1.1",), 2, "did you mean version=?"),
        (("check=s.pkl",), 2, "no such file"),
        (("check=file",), 2, "name one run, or one file"),
        (("version=1.1", "output=file/s.pkl", *TEAM), 2, "cannot be written"),
        (("version=1.1", "output=trajectories.parquet", *TEAM), 2, "would overwrite the input"),
    ],
)
def test_words_that_are_wrong(
    run: Path,
    words: tuple[str, ...],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(run)
    Path("file").write_text("")
    assert _submit(run, *words) == code
    assert message in capsys.readouterr().err
    assert not Path("s.pkl").exists()


def test_no_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert _submit() == 2 and _submit("--help") == 0
    assert "example: reworld submit" in capsys.readouterr().out


@pytest.mark.parametrize("case", ["missing", "extra", "nan", "shape", "text", "twice", "column"])
def test_runs_that_are_wrong(
    run: Path, tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = list(TOKENS)
    poses: list[Any] = [_straight(4.0 + i).ravel().tolist() for i in range(10)]
    if case == "missing":
        tokens, poses = tokens[1:], poses[1:]
    elif case == "extra":
        tokens, poses = [*tokens, "f" * 16], [*poses, poses[0]]
    elif case == "twice":
        tokens[1] = tokens[0]
    elif case == "nan":
        poses[2][5] = float("nan")
    elif case == "shape":
        poses[2] = poses[2][:21]
    elif case == "text":
        poses = [str(row) for row in poses]
    _write(run / "trajectories.parquet", tokens, poses)
    if case == "column":
        write_parquet(run / "trajectories.parquet", pd.DataFrame({"token": tokens}), {})
    output = tmp_path / "s.pkl"
    assert _submit(run, "version=1.1", f"output={output}", *TEAM) == 1
    told = "".join(capsys.readouterr())
    expected = {
        "missing": f"missing {TOKENS[0]}",
        "extra": "too many ffff",
        "nan": f"NaN or infinite poses: {TOKENS[2]}",
        "shape": f"the trajectories of {TOKENS[2]} are no 24 numbers",
        "text": "are no 24 numbers",
        "twice": f"token {TOKENS[0]} has several trajectories",
        "column": "no column poses",
    }
    assert expected[case] in told and not output.exists()


def test_a_folder_without_trajectories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _submit(tmp_path, "version=1.1", f"output={tmp_path}/s.pkl", *TEAM) == 1
    assert "name the output folder of reworld score" in capsys.readouterr().err
    (tmp_path / "trajectories.parquet").write_bytes(b"PAR1")
    assert _submit(tmp_path, "version=1.1", f"output={tmp_path}/s.pkl", *TEAM) == 1


@pytest.mark.skipif(os.name != "posix", reason="names of files are text there")
def test_a_path_that_is_no_utf8(run: Path, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    run = run.rename(folder / "run")
    assert _submit(run, "version=1.1", f"output={folder / 's.pkl'}", *TEAM) == 0
    assert _submit(f"check={folder / 's.pkl'}") == 0


def test_what_float32_cannot_hold_stays_float64(tmp_path: Path) -> None:
    fine = _straight() + 1e-12
    path = _write(tmp_path / "t.parquet", TOKENS[:1], [fine.ravel().tolist()])
    plan = read_run(path).plans[TOKENS[0]]
    assert plan.poses.dtype == np.float64
    np.testing.assert_array_equal(plan.poses, fine)


def test_scores_are_made_again_and_compared(
    tmp_path: Path,
    devkit_reference: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run's own table, made by the stock devkit, agrees with what stands in the file."""
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(devkit_reference))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(devkit_reference / "maps"))
    monkeypatch.setenv("REWORLD_HOME", str(tmp_path / "home"))
    rows = pd.read_parquet(devkit_reference / "pdm_v11.parquet").drop_duplicates("token").head(3)
    origin = {"split": "toy", "protocol": "pdms_v1"}
    poses = [np.asarray(row, np.float64).ravel().tolist() for row in rows["poses"]]
    _write(tmp_path / "trajectories.parquet", rows["token"].tolist(), poses, **origin)
    table = rows[["token", "score"]]
    write_parquet(tmp_path / "pdm_scores.parquet", table, origin)
    output = tmp_path / "s.pkl"
    words = (tmp_path, "version=1.1", f"output={output}", *TEAM)
    assert _submit(*words) == 0
    out = capsys.readouterr().out
    assert f"score: {table['score'].mean():.6f} over 3 scenes" in out and "as in the run's" in out
    write_parquet(tmp_path / "pdm_scores.parquet", table.assign(score=0.25), origin)
    assert _submit(*words) == 1
    assert "score otherwise in the run's table" in capsys.readouterr().out
    assert not build.shards_beside(output).exists()


@pytest.mark.parametrize("origin", [{"stages": 2, "traffic": "reactive"}, {"traffic": "reactive"}])
def test_scores_of_another_kind_are_not_compared(
    tmp_path: Path,
    devkit_reference: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    origin: dict[str, str],
) -> None:
    """A table of two stages, or beside reactive traffic, is no reason to refuse the plans."""
    monkeypatch.setenv("OPENSCENE_DATA_ROOT", str(devkit_reference))
    monkeypatch.setenv("NUPLAN_MAPS_ROOT", str(devkit_reference / "maps"))
    monkeypatch.setenv("REWORLD_HOME", str(tmp_path / "home"))
    rows = pd.read_parquet(devkit_reference / "epdms_v22.parquet").drop_duplicates("token").head(2)
    tokens = [*rows["token"], SYNTHETIC[0]]
    poses = [np.asarray(row, np.float64).ravel().tolist() for row in rows["poses"]]
    origin = {"split": "toy", "protocol": "epdms_v2", **origin}
    _write(tmp_path / "trajectories.parquet", tokens, [*poses, poses[0]], **origin)
    table = pd.DataFrame({"token": tokens, "score": 0.25})
    write_parquet(tmp_path / "pdm_scores.parquet", table, origin)
    assert _submit(tmp_path, "version=2.2", f"output={tmp_path / 's.pkl'}", *TEAM) == 0
    out = capsys.readouterr().out
    assert "over 2 scenes (EPDMS of v2.2" in out and "run's table" not in out

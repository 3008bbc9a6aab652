"""Scoring a file of trajectories: the command as a user meets it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent.cli.arguments import read_arguments
from reworld_agent.cli.commands.score_trajectories import COMMAND as SCORE
from reworld_agent.core.errors import DataError, UsageError
from reworld_agent.core.result_tables import read_provenance
from reworld_agent.evaluation import ScoreFileSettings, score_file
from reworld_agent.evaluation.file_scores import (
    caches_of,
    degrees_suspected,
    read_trajectories,
    summary,
)

COMMAND = Path(__file__).resolve().parents[2] / "eval" / "score_trajectories.py"


def parse(arguments: list[str]) -> ScoreFileSettings:
    return read_arguments(ScoreFileSettings, arguments, "")


def _words(root: Path, folder: Path, rows: pd.DataFrame, *more: str) -> list[str]:
    rows.to_parquet(folder / "in.parquet")
    return [
        f"trajectories={folder / 'in.parquet'}",
        f"data_root={root}",
        f"maps_root={root / 'maps'}",
        "data_split=toy",
        f"output={folder / 'out.parquet'}",
        f"cache_dir={folder / 'caches'}",
        *more,
    ]


def _rows(root: Path, scenes: int) -> pd.DataFrame:
    table = pd.read_parquet(root / "pdm_v11.parquet")
    tokens = table["token"].unique()[:scenes]
    table = table[table["token"].isin(tokens)]
    return table.rename(columns={"cand": "candidate", "score": "devkit"})[
        ["token", "candidate", "poses", "devkit", "NC"]
    ]


def test_a_file_scored_like_the_devkit(devkit_reference: Path, tmp_path: Path) -> None:
    rows = _rows(devkit_reference, 3).sample(frac=1.0, random_state=0)
    request = parse(_words(devkit_reference, tmp_path, rows, "worker=sequential"))
    table = score_file(request).rows
    assert table["valid"].all()
    assert (
        table[["token", "candidate"]].to_numpy().tolist()
        == rows[["token", "candidate"]].to_numpy().tolist()
    )
    np.testing.assert_allclose(table["score"], rows["devkit"], atol=1e-6)
    np.testing.assert_array_equal(table["no_at_fault_collisions"], rows["NC"])
    for name in ("no_at_fault_collisions", "time_to_collision_within_bound", "comfort"):
        assert f"{name}_failure_time_s" in table
    assert {"progress_m", "pdm_closed_progress_m"} <= set(table)
    written = pd.read_parquet(request.output)
    pd.testing.assert_frame_equal(written, table)
    twin = pd.read_csv(request.output.with_suffix(".csv"), dtype={"token": str})
    np.testing.assert_allclose(twin["score"], table["score"])
    origin = read_provenance(request.output)
    assert origin["protocol"] == "pdms_v1" and origin["rows"] == len(rows)
    assert {"code_version", "numpy", "blas", "split", "trajectories_sha256"} <= set(origin)


def test_both_protocols_from_one_run(devkit_reference: Path, tmp_path: Path) -> None:
    rows = _rows(devkit_reference, 2)
    tables = {}
    for protocol in ("pdms_v1", "epdms_v2", "both"):
        words = _words(devkit_reference, tmp_path, rows, "worker=sequential")
        tables[protocol] = score_file(parse([*words, f"protocol={protocol}"])).rows
    both = tables.pop("both")
    assert both["valid"].all()
    keys = ["token", "candidate", "valid", "reason"]
    for protocol, alone in tables.items():
        named = alone.drop(columns=keys).add_prefix(f"{protocol}_")
        pd.testing.assert_frame_equal(both[list(named)], named)
    assert len(both.columns) == sum(len(t.columns) - len(keys) for t in tables.values()) + len(keys)
    assert "epdms_v2_lane_keeping" in summary(both, "both")
    assert read_provenance(tmp_path / "out.parquet")["protocol"] == "both"


def test_rows_that_cannot_be_scored_name_their_reason(
    devkit_reference: Path, tmp_path: Path
) -> None:
    good = _rows(devkit_reference, 1).iloc[:2]
    poses = good["poses"].iloc[0]
    bad = {
        "seven": poses[:21],
        "nan": np.where(np.arange(24) == 5, np.nan, poses),
        "words": np.array(["x"] * 24),
    }
    token = good["token"].iloc[0]
    faults = pd.DataFrame(
        {"token": token, "candidate": list(bad), "poses": [list(map(str, v)) for v in bad.values()]}
    )
    faults["poses"] = [
        bad["seven"].astype(str),
        bad["nan"].astype(str),
        bad["words"],
    ]
    mixed = pd.concat(
        [
            good.assign(
                candidate=good["candidate"].astype(str),
                poses=[p.astype(str) for p in good["poses"]],
            ),
            faults,
            pd.DataFrame(
                {"token": ["feedfeedfeedfeed"], "candidate": ["x"], "poses": [poses.astype(str)]}
            ),
        ]
    )
    settings = parse(_words(devkit_reference, tmp_path, mixed, "worker=sequential"))
    table = score_file(settings).rows
    assert table["valid"].tolist() == [True, True, False, False, False, False]
    assert "21 numbers" in table["reason"].iloc[2]
    assert "finite" in table["reason"].iloc[3]
    assert "feedfeedfeedfeed" in table["reason"].iloc[5]
    assert table["score"].iloc[2:].isna().all()


def test_without_candidates_each_token_has_one_row(devkit_reference: Path, tmp_path: Path) -> None:
    rows = _rows(devkit_reference, 1)[["token", "poses"]]
    words = _words(devkit_reference, tmp_path, rows.iloc[:1], "worker=sequential", "explain=false")
    assert len(score_file(parse(words)).rows) == 1
    with pytest.raises(DataError, match="named twice"):
        score_file(parse(_words(devkit_reference, tmp_path, rows, "worker=sequential")))


def test_killed_and_started_again(devkit_reference: Path, tmp_path: Path) -> None:
    rows = _rows(devkit_reference, 40)
    words = _words(devkit_reference, tmp_path, rows, "worker=sequential")
    # Every scene is flushed by itself, so that the kill surely falls between two of them.
    eager = (
        "import runpy, sys\n"
        "from reworld_agent.core import shards as parts\n"
        "from reworld_agent.evaluation import scoring\n"
        "parts.FLUSH_S, scoring._CHUNK = 0.0, 1\n"
        f"runpy.run_path({str(COMMAND)!r}, run_name='__main__')\n"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", eager, *words],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    parts = tmp_path / "out.parquet.parts"
    while first.poll() is None and len(list(parts.glob("*/part-*.parquet"))) < 3:
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not (tmp_path / "out.parquet").exists()
    finished = len(list(parts.glob("*/part-*.parquet")))
    assert 3 <= finished < 40
    done = subprocess.run(
        [sys.executable, str(COMMAND), *words], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert len(table) == len(rows) == 2560
    assert not table.duplicated(["token", "candidate"]).any()
    assert not parts.exists()
    np.testing.assert_allclose(table["score"], rows["devkit"], atol=1e-6)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("trajectories", "cannot read trajectories"),
        ("split=x", "split= is unknown"),
        ("maps_root=", "maps_root= has no value"),
        ("protocol=v9", "one of pdms_v1, epdms_v2, both"),
        ("protocol=epdms", "did you mean protocol=epdms_v2"),
        ("worker=threads", "one of sequential, processes, ray"),
        ("workers=0", "must be an integer of at least 1"),
        ("explain=maybe", "must be true or false"),
        ("traffic=reactive", "is of NAVSIM v2"),
        ("data_split=toi", "did you mean toy"),
        ("data_root=nowhere", "no such folder"),
        ("trajectories=absent.parquet", "no such file"),
        ("cache_dir=in.parquet", "would overwrite the input"),
        ("output=in.parquet", "would overwrite the input trajectories="),
        ("output=in.csv", "name of the csv twin"),
    ],
)
def test_words_that_are_wrong(
    word: str,
    message: str,
    devkit_reference: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = _words(devkit_reference, tmp_path, _rows(devkit_reference, 1))
    key = word.partition("=")[0]
    others = [own for own in words if "=" not in word or not own.startswith(f"{key}=")]
    before = sorted(tmp_path.iterdir())
    assert SCORE.call([*others, word]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 2 and message in " ".join(error)
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert SCORE.call(["data_split=x"]) == 2
    assert "trajectories=, output= are missing" in capsys.readouterr().err
    with pytest.raises(UsageError, match="trajectories="):
        ScoreFileSettings(
            trajectories=Path("absent"),
            data_root=Path(),
            maps_root=Path(),
            data_split="x",
            output=Path("x.parquet"),
        )


def test_where_the_scenes_lie_is_found_as_in_other_commands(
    devkit_reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = _words(devkit_reference, tmp_path, _rows(devkit_reference, 1).head(2))
    named = score_file(parse(words)).rows
    roots = {"OPENSCENE_DATA_ROOT": "data_root=", "NUPLAN_MAPS_ROOT": "maps_root="}
    for variable, key in roots.items():
        (word,) = (word for word in words if word.startswith(key))
        words.remove(word)
        with pytest.raises(UsageError, match=r"_root= without|_ROOT is set"):
            parse(words)
        monkeypatch.setenv(variable, word.removeprefix(key))
    pd.testing.assert_frame_equal(score_file(parse(words)).rows, named)
    town = parse([word.replace("toy", "town_test") for word in words])
    assert caches_of(town).data_root.is_dir()


def test_files_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.parquet: no such file"):
        read_trajectories(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("token,poses\n")
    with pytest.raises(DataError, match=r"text\.parquet: cannot be read as a table"):
        read_trajectories(tmp_path / "text.parquet")
    pd.DataFrame({"scene": ["a"]}).to_parquet(tmp_path / "columns.parquet")
    with pytest.raises(DataError, match="no column token and no column poses"):
        read_trajectories(tmp_path / "columns.parquet")
    pd.DataFrame({"token": [], "poses": []}).to_parquet(tmp_path / "empty.parquet")
    with pytest.raises(DataError, match="no rows"):
        read_trajectories(tmp_path / "empty.parquet")
    rows = {"token": ["a", "a"], "poses": [[0.0] * 24] * 2, "candidate": ["x", None]}
    pd.DataFrame(rows).to_parquet(tmp_path / "nameless.parquet")
    with pytest.raises(DataError, match="the candidate of row 1 is empty"):
        read_trajectories(tmp_path / "nameless.parquet")


def test_nested_poses_and_degrees(tmp_path: Path) -> None:
    x = np.arange(1, 9) * 2.0
    poses = np.stack([x, 0.5 * x, np.full(8, np.degrees(np.arctan(0.5)))], axis=1)
    frame = pd.DataFrame({"token": ["a"], "poses": [[list(row) for row in poses]]})
    frame.to_parquet(tmp_path / "nested.parquet")
    table = read_trajectories(tmp_path / "nested.parquet")
    np.testing.assert_allclose(table["poses"].iloc[0], poses.reshape(-1))
    assert degrees_suspected(table)


def test_help_teaches() -> None:
    done = subprocess.run(
        [sys.executable, str(COMMAND), "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stdout == SCORE.help() + "\n"
    for word in ("trajectories=FILE.parquet", "[8, 3] at 2 Hz", "pdms_v1"):
        assert word in done.stdout

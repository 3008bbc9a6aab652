"""`reworld explain` on runs over the embedded split, and on what is wrong with runs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent import pdm
from reworld_agent.analysis import explain_run
from reworld_agent.analysis import explain_runs as explanation_run
from reworld_agent.analysis.explanation.explain import explained_names, failed_metrics
from reworld_agent.cli.main import main
from reworld_agent.core.result_tables import read_provenance, write_parquet
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.metrics import columns, metric_called
from tests.analysis.runs import constant_velocity, make_run, opened, where, write_run
from tests.analysis.tables import scores, v2_scores, write


def test_every_failure_of_the_table_is_explained(
    run: Path, caches: SceneCaches, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(run), f"output_dir={tmp_path}", *where(caches)]) == 0
    printed = capsys.readouterr().out
    rows = pd.read_parquet(tmp_path / "explanations.parquet")
    table = pd.read_parquet(run / "pdm_scores.parquet").iloc[:-1].set_index("token")
    expected = {
        (token, short)
        for token, values in zip(table.index, table.to_dict("records"), strict=True)
        for short in failed_metrics({str(name): value for name, value in values.items()})
    }
    assert set(zip(rows["token"], rows["metric"], strict=True)) == expected
    assert len(expected) >= 3
    assert rows["decisive"].sum() == rows["token"].nunique()
    for sentence in rows[rows["decisive"]].drop_duplicates("token")["sentence"].head(20):
        assert sentence in printed
    assert "failures by class" in printed and "command: " in printed and "city: " in printed
    pd.testing.assert_frame_equal(
        rows.fillna(""),
        pd.read_csv(tmp_path / "explanations.csv", dtype={"token": str}).fillna(""),
        check_dtype=False,
    )
    assert read_provenance(tmp_path / "explanations.parquet")["agent"] == "straight"


def test_counterfactuals_hold_when_scored_again(run: Path, caches: SceneCaches) -> None:
    found, problems = explain_run(opened(run, caches))
    assert not problems
    assert (found["counterfactual_score"].dropna() >= 0).all()
    assert (found["score"] == found["table_score"]).all()


def test_one_metric(run: Path, caches: SceneCaches, tmp_path: Path) -> None:
    assert main(["explain", str(run), "metric=TTC", f"output_dir={tmp_path}", *where(caches)]) == 0
    assert set(pd.read_parquet(tmp_path / "explanations.parquet")["metric"]) <= {"TTC"}
    assert main(["explain", str(run), "metric=PDMS", *where(caches)]) == 2


def test_one_scene(
    run: Path, caches: SceneCaches, tokens: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_parquet(run / "pdm_scores.parquet").set_index("token")
    worst = str(table.loc[tokens, "score"].idxmin())
    assert main(["explain", str(run), f"token={worst}", *where(caches)]) == 0
    printed = capsys.readouterr().out
    assert worst in printed and "driving 20 % slower" in printed and "further left" in printed
    assert main(["explain", str(run), "token=absent", *where(caches)]) == 1
    assert "tokens look like" in capsys.readouterr().err


def test_all_scenes_passing(
    caches: SceneCaches, tokens: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    perfect = pd.DataFrame({"token": tokens, "reason": ""})
    perfect[list(columns("pdms_v1"))] = 1.0
    poses = {token: constant_velocity(caches.get(token)) for token in tokens}
    write_run(tmp_path, perfect, poses, "town_test")
    assert main(["explain", str(tmp_path), *where(caches)]) == 0
    assert "no scene fails" in capsys.readouterr().out
    assert len(pd.read_parquet(tmp_path / "explanations.parquet")) == 0


def test_no_scene_has_a_score(
    caches: SceneCaches, tokens: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = pd.DataFrame({"token": tokens, "reason": "the agent never plans"})
    failed[list(columns("pdms_v1"))] = float("nan")
    poses = {token: constant_velocity(caches.get(token)) for token in tokens}
    write_run(tmp_path, failed, poses, "town_test")
    said = f"none of {len(tokens)} scenes has a score\n  next: failures.csv"
    assert main(["explain", str(tmp_path), *where(caches)]) == 1
    assert said in capsys.readouterr().err
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 1
    assert said in capsys.readouterr().err
    page = tmp_path / "page.html"
    assert main(["report", str(tmp_path), f"output={page}", *where(caches)]) == 0
    assert page.is_file()


def test_a_single_failing_scene_and_a_table_of_another_version(
    caches: SceneCaches, tokens: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poses = {tokens[0]: 3.0 * constant_velocity(caches.get(tokens[0])) + [0, 4.0, 0]}
    make_run(tmp_path, caches, poses)
    table = pd.read_parquet(tmp_path / "pdm_scores.parquet")
    table.loc[0, ["score", "no_at_fault_collisions"]] = 0.123, 0.0
    origin = read_provenance(tmp_path / "pdm_scores.parquet")
    write_parquet(tmp_path / "pdm_scores.parquet", table, origin)
    assert main(["explain", str(tmp_path), *where(caches)]) == 0
    assert "1 scenes score otherwise now than in the run's table" in capsys.readouterr().out


def test_missing_map_and_missing_trajectory_are_named(
    run: Path, caches: SceneCaches, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = tmp_path / "no_maps"
    maps.mkdir()
    words = [
        f"data_root={caches.data_root}",
        f"maps_root={maps}",
        f"cache_dir={tmp_path / 'caches'}",
    ]
    assert main(["explain", str(run), f"output_dir={tmp_path}", *words]) == 1
    assert "ERROR: not explained" in capsys.readouterr().out
    copy = tmp_path / "copy"
    for name in ("pdm_scores", "trajectories"):
        frame = pd.read_parquet(run / f"{name}.parquet")
        kept = frame if name == "pdm_scores" else frame.head(0)
        write_parquet(copy / f"{name}.parquet", kept, read_provenance(run / f"{name}.parquet"))
    assert main(["explain", str(copy), *where(caches)]) == 1
    assert "no row in trajectories.parquet" in capsys.readouterr().out


def test_runs_that_cannot_be_explained(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, v2, foreign = (tmp_path / name for name in ("empty", "v2", "foreign"))
    for folder in (empty, v2, foreign):
        folder.mkdir()
    write(v2_scores(), v2 / "x.csv")
    write(scores(), foreign / "x.csv")
    for folder, reason in (
        (empty, "no pdm_scores.parquet"),
        (v2, "trajectories.parquet: no such file"),
        (foreign, "trajectories.parquet: no such file"),
    ):
        assert main(["explain", str(folder)]) == 1
        assert reason in capsys.readouterr().err
    write_parquet(
        foreign / "trajectories.parquet", pd.read_parquet(run / "trajectories.parquet"), {}
    )
    assert main(["explain", str(foreign)]) == 1
    assert "data_split=NAME" in capsys.readouterr().err
    assert main(["explain", str(tmp_path / "absent")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert main(["explain"]) == 2 and main(["explain", "--help"]) == 0
    assert main(["explain", str(run), str(run)]) == 2


def test_trajectories_that_are_none(
    run: Path, caches: SceneCaches, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    origin = read_provenance(run / "pdm_scores.parquet")
    table = pd.read_parquet(run / "pdm_scores.parquet")
    write_parquet(tmp_path / "pdm_scores.parquet", table, origin)
    plans = pd.read_parquet(run / "trajectories.parquet")
    plans["poses"] = [own[:5] for own in plans["poses"]]
    write_parquet(tmp_path / "trajectories.parquet", plans, origin)
    assert main(["explain", str(tmp_path), *where(caches)]) == 1
    assert "poses hold 5 numbers" in capsys.readouterr().out
    write_parquet(tmp_path / "trajectories.parquet", pd.concat([plans, plans]), origin)
    assert main(["explain", str(tmp_path), *where(caches)]) == 1
    assert "several trajectories of one scene" in capsys.readouterr().err


def test_output_that_cannot_be_written(
    run: Path, caches: SceneCaches, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["explain", str(run), f"output_dir={tmp_path / 'file' / 'x'}", *where(caches)]) == 2
    assert "choose another output_dir=" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["picture=why.png"], "add token=TOKEN"),
        (["token=a", "picture=why.txt"], "pictures are not written as .txt"),
        (["token=a", "pictures=true"], "pictures= is of all scenes"),
        (["metric=PDMS"], "one of NC, DAC"),
        (["data_split=nowhere"], "OPENSCENE_DATA_ROOT"),
        (["maps_root=nowhere"], "no such folder"),
        (["show=-1"], "must be an integer of at least 0"),
    ],
)
def test_what_is_refused_before_a_table_is_read(
    run: Path,
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(explanation_run, "open_run", lambda _: pytest.fail("was read"))
    assert main(["explain", str(run), *arguments]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 2 and said in " ".join(error)


def test_path_that_is_not_utf8(
    run: Path, caches: SceneCaches, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / os.fsdecode(b"r\xfcn")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    for name in ("pdm_scores.parquet", "trajectories.parquet"):
        (folder / name).write_bytes((run / name).read_bytes())
    assert main(["explain", str(folder), *where(caches)]) == 0
    capsys.readouterr().out.encode("utf-8")
    assert (folder / "explanations.parquet").is_file()


def test_processes_give_the_same_rows(
    run: Path, caches: SceneCaches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanation_run, "_CHUNK", 1)
    alone, _ = explain_run(opened(run, caches))
    together, _ = explain_run(opened(run, caches), workers=2)
    pd.testing.assert_frame_equal(alone, together)


def test_a_hundred_thousand_scenes_of_which_one_fails(
    caches: SceneCaches, tokens: list[str], tmp_path: Path
) -> None:
    count = 100_000
    names = [tokens[0], *(f"{i:016x}" for i in range(1, count))]
    table = pd.DataFrame({"token": names, "reason": ""})
    table[list(columns("pdms_v1"))] = 1.0
    table.loc[0, ["no_at_fault_collisions", "score"]] = 0.0
    own = 3.0 * constant_velocity(caches.get(tokens[0])) + [0, 4.0, 0]
    write_run(tmp_path, table, dict.fromkeys(names, own), "town_test")
    rows, problems = explain_run(opened(tmp_path, caches))
    assert not problems and set(rows["token"]) <= {tokens[0]}


def test_real_scenes(real_reference: Path, tmp_path: Path) -> None:
    caches = SceneCaches(real_reference, real_reference / "maps", "av2", tmp_path / "caches")
    reference = pd.read_parquet(real_reference / "pdm_v11.parquet", columns=["token", "split"])
    some = reference.loc[reference["split"] == "av2", "token"].drop_duplicates().head(6)
    poses = {token: constant_velocity(caches.get(token)) for token in some}
    folder = make_run(tmp_path / "run", caches, poses)
    rows, problems = explain_run(opened(folder, caches))
    assert not problems
    assert set(rows["metric"]) <= set(explained_names())
    hit = rows[rows["metric"].isin(["NC", "TTC"])]
    for row in hit.to_dict("records"):
        records = pdm.score(caches.get(row["token"]), poses[row["token"]][None], explain=True)
        assert row["object_token"][:4] in row["sentence"]
        assert (
            row["failure_time_s"]
            == records[f"{metric_called(row['metric']).name}_failure_time_s"][0]
        )
    assert np.isfinite(rows["speed_mps"]).all()

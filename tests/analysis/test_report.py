"""`reworld report`: what the page says, and what is wrong with runs."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent.analysis.reporting import page as reporting
from reworld_agent.cli.main import main
from reworld_agent.core.result_tables import read_provenance, write_parquet
from reworld_agent.pdm.cache_io.folder import SceneCaches
from reworld_agent.pdm.metrics import columns
from tests.analysis.runs import constant_velocity, make_run, where, write_run
from tests.analysis.tables import scores, v2_scores, write


def page(tmp_path: Path, *words: object) -> str:
    """The page of a run, as text."""
    path = tmp_path / "report.html"
    assert main(["report", *map(str, words), f"output={path}"]) == 0
    return path.read_text(encoding="utf-8")


def test_the_page_says_what_the_tables_say(run: Path, caches: SceneCaches, tmp_path: Path) -> None:
    text = page(tmp_path, run, "gallery=2", *where(caches))
    table = pd.read_parquet(run / "pdm_scores.parquet")
    assert f"<b>{100 * table['score'].iloc[-1]:.2f}</b>" in text
    assert "PDMS, 95" in text and "EPDMS" not in text
    assert text.count('id="scene-') == 2 and text.count('id="image-') == 4
    assert "all 12 scenes have a score" in text
    assert "Not comparable with the rows below" in text and "90.4" in text
    assert not re.search(r"(src|href)=.?https?:", text) and "url(" not in text
    sentences = re.findall(r"^(?: *<td class=.why.>)?(NC|DAC|TTC|EP|Comf) ", text, re.MULTILINE)
    assert len(sentences) >= 3


def test_explanations_of_the_run_are_used_again(
    run: Path, caches: SceneCaches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    assert main(["explain", str(copy), *where(caches)]) == 0
    monkeypatch.setattr(reporting, "explain_run", lambda *_, **__: pytest.fail("explained again"))
    assert 'id="scene-0"' in page(tmp_path, copy, "gallery=1", *where(caches))


def test_stale_explanations_are_not(run: Path, caches: SceneCaches, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    assert main(["explain", str(copy), *where(caches)]) == 0
    rows = pd.read_parquet(copy / "explanations.parquet")
    origin = read_provenance(copy / "explanations.parquet")
    write_parquet(
        copy / "explanations.parquet", rows.assign(sentence="old words", table_score=0.9), origin
    )
    assert "old words" not in page(tmp_path, copy, "gallery=1", *where(caches))


def test_epdms_and_another_run_beside(
    run: Path, run_v2: Path, caches: SceneCaches, tmp_path: Path
) -> None:
    text = page(tmp_path, run_v2, f"beside={run_v2}", "gallery=1", *where(caches))
    assert "EPDMS, 95" in text and "scored by epdms_v2, the rows by pdms_v1" in text
    assert 'data-outcome="tied"' in text and "<td>12</td>" in text
    assert main(["report", str(run), f"beside={run_v2}", *where(caches)]) == 1


def test_one_scene_and_all_scenes_passing(
    caches: SceneCaches, tokens: list[str], tmp_path: Path
) -> None:
    poses = {tokens[0]: constant_velocity(caches.get(tokens[0]))}
    assert "1 scenes" in page(tmp_path, make_run(tmp_path / "one", caches, poses), *where(caches))
    perfect = pd.DataFrame({"token": tokens, "reason": ""})
    perfect[list(columns("pdms_v1"))] = 1.0
    own = {token: constant_velocity(caches.get(token)) for token in tokens}
    text = page(tmp_path, write_run(tmp_path / "all", perfect, own, "town_test"), *where(caches))
    assert "No scene fails." in text and 'id="scene-0"' not in text


def test_scenes_without_score_or_trajectory_or_map_are_told(
    run: Path, caches: SceneCaches, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    origin = {**read_provenance(copy / "pdm_scores.parquet"), "tokens": 13}
    table = pd.read_parquet(copy / "pdm_scores.parquet")
    table.loc[0, table.columns[2:]] = np.nan
    write_parquet(copy / "pdm_scores.parquet", table, origin)
    plans = pd.read_parquet(copy / "trajectories.parquet").iloc[:-1]
    write_parquet(copy / "trajectories.parquet", plans, {})
    words = [f"data_root={caches.data_root}", f"maps_root={tmp_path}", f"cache_dir={tmp_path}"]
    text = page(tmp_path, copy, *words)
    assert "1 of 12 scenes have no score" in text
    assert "12 rows, 13 scenes were asked for" in text
    assert "scored scenes have no trajectory" in text
    assert "scenes not explained" in text
    assert "before you believe this number" in text


def test_a_table_alone_is_enough_for_scores(tmp_path: Path) -> None:
    text = page(tmp_path, write(scores(), tmp_path / "x.csv"))
    assert "failures are not explained" in text and "bears no provenance" in text
    assert 'id="scene-0"' not in text and 'id="filters"' not in text
    broken = page(tmp_path, write(v2_scores().assign(history_comfort=0.0), tmp_path / "y.csv"))
    assert "the evaluation is broken" in broken


def test_what_is_refused(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str], caches: SceneCaches
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("in the way")
    for code, words, reason in (
        (1, [tmp_path / "empty"], "no pdm_scores.parquet"),
        (2, [tmp_path / "absent"], "no such file or folder"),
        (2, [run, run], "cannot read"),
        (2, [run, "beside=absent"], "no such file or folder"),
        (2, [run, f"output={run / 'pdm_scores.csv'}"], "would overwrite the input run="),
        (2, [run, "colour=red"], "colour= is unknown"),
        (2, [run, f"output={tmp_path / 'file' / 'x.html'}", *where(caches)], "choose another"),
    ):
        assert main(["report", *(str(word) for word in words)]) == code
        assert reason in capsys.readouterr().err
    assert main(["report"]) == 2 and main(["report", "--help"]) == 0


def test_path_that_is_not_utf8(run: Path, caches: SceneCaches, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"r\xfcn")
    try:
        shutil.copytree(run, folder)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert main(["report", str(folder), "gallery=1", *where(caches)]) == 0
    assert 'id="scene-0"' in (folder / "report.html").read_text(encoding="utf-8")


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    """Text of tables is text on the page, whatever it holds."""
    frame = scores().assign(log_name="<script>alert(1)</script>")
    frame.loc[0, "token"] = "<img src=x onerror=alert(1)>"
    frame.loc[0, ["score", "comfort"]] = float("nan")
    text = page(tmp_path, write(frame, tmp_path / "x.csv"))
    assert "<img src=x" not in text and "<script>alert" not in text


def test_a_hundred_thousand_scenes(caches: SceneCaches, tokens: list[str], tmp_path: Path) -> None:
    count = 100_000
    names = [*tokens, *(f"{i:016x}" for i in range(count - len(tokens)))]
    table = pd.DataFrame({"token": names, "reason": ""})
    table[list(columns("pdms_v1"))] = 1.0
    table.loc[: len(tokens), ["no_at_fault_collisions", "score"]] = 0.0
    own = 3.0 * constant_velocity(caches.get(tokens[0])) + [0, 4.0, 0]
    folder = write_run(tmp_path, table, dict.fromkeys(names, own), "town_test")
    text = page(tmp_path, folder, "gallery=1", "explain=5", *where(caches))
    assert "100,000 scenes" in text and len(text) < 1_000_000
    assert "a random choice of 5 of 13 failed scenes" in text

"""Score tables of every origin are read, and what cannot be known is never guessed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reworld_agent.analysis.tables.score_tables import read_table
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.result_tables import write_csv, write_parquet
from tests.analysis.tables import scores, tokens, two_stages, v2_scores, with_footer, write


def test_navsim_v1_csv_with_index_and_average(tmp_path: Path) -> None:
    frame = scores()
    table = read_table(write(with_footer(frame), tmp_path / "x.csv", index=True))
    assert table.protocol.name == "pdms_v1" and table.protocol_from == "columns"
    assert list(table.frame.index) == tokens(40)  # also those that look like numbers
    assert table.frame["score"].tolist() == frame["score"].tolist()
    assert table.footer["score"] == pytest.approx(frame["score"].mean())
    assert "average" in " ".join(table.notes)


@pytest.mark.parametrize("footer", ["average_all_frames", "aggregate_summary_row", "Mean"])
def test_navsim_v2_csv_and_foreign_footers(tmp_path: Path, footer: str) -> None:
    table = read_table(write(with_footer(v2_scores(), footer), tmp_path / "x.csv"))
    assert table.protocol.name == "epdms_v2"
    assert len(table.frame) == 40


def test_two_stage_csv_of_v2(tmp_path: Path) -> None:
    frame = v2_scores()
    table = read_table(write(two_stages(frame, 0.35), tmp_path / "x.csv"))
    expected = frame.set_index("token")[table.frame.columns]
    pd.testing.assert_frame_equal(table.frame, expected, check_index_type=False)
    assert "two stages" in " ".join(table.notes)
    assert table.stages is not None
    assert table.stages.tolist() == ["stage one"] * 10 + ["stage two"] * 30
    assert table.official == {"stage one": 0.7, "stage two": 0.5, "combined": 0.35}
    no = read_table(write(two_stages(frame, 0.35, valid=False), tmp_path / "y.csv"))
    assert np.isnan(list(no.official.values())).all()


def test_renamed_and_extra_columns(tmp_path: Path) -> None:
    short = {
        "token": "scene_token",
        "no_at_fault_collisions": "NC",
        "drivable_area_compliance": "DAC",
        "time_to_collision_within_bound": "TTC",
        "ego_progress": "EP",
        "comfort": "C",
        "score": "PDMS",
    }
    frame = scores().assign(model_size=3, log=[f"log-{i % 4}" for i in range(40)])
    path = write(frame.rename(columns=short), tmp_path / "x.csv")
    table = read_table(path)
    assert table.logs is not None and table.logs.nunique() == 4
    assert "NC → no_at_fault_collisions" in " ".join(table.notes)
    assert "model_size" in " ".join(table.notes)
    assert table.frame["score"].tolist() == frame["score"].tolist()


def test_our_run_folder_brings_provenance_and_logs(tmp_path: Path) -> None:
    frame = scores()
    origin = {"protocol": "pdms_v1", "agent": "reworld"}
    write_parquet(tmp_path / "pdm_scores.parquet", with_footer(frame), origin)
    record = pd.DataFrame({"token": frame["token"], "log_name": "a"})
    write_parquet(tmp_path / "inference.parquet", record, {})
    table = read_table(tmp_path)
    assert (table.label, table.protocol_from) == ("reworld", "metadata")
    assert table.logs is not None and set(table.logs) == {"a"}


def test_protocol_is_never_guessed(tmp_path: Path) -> None:
    frame = scores()[["token", "score"]]
    path = write(frame, tmp_path / "x.csv")
    with pytest.raises(ConfigError, match="fit no single protocol"):
        read_table(path)
    assert read_table(path, "epdms_v2").protocol.name == "epdms_v2"
    both = write(v2_scores().assign(comfort=1.0), tmp_path / "y.csv")
    with pytest.raises(ConfigError, match="fit no single"):
        read_table(both)
    with pytest.raises(ConfigError, match="contradictory"):
        read_table(write(scores(), tmp_path / "z.csv"), "epdms_v2")


def test_a_table_of_both_protocols_is_read_by_name(tmp_path: Path) -> None:
    v1, v2 = scores(), v2_scores(seed=1)
    keys = ["token", "valid"]
    frame = pd.concat(
        [v1, v2.drop(columns=keys).add_prefix("epdms_v2_").assign(epdms_v2_pdm_score=0.0)], axis=1
    ).rename(columns={name: f"pdms_v1_{name}" for name in v1.columns.drop(keys)})
    path = tmp_path / "x.parquet"
    write_parquet(path, with_footer(frame), {"protocol": "both", "agent": "reworld"})
    with pytest.raises(ConfigError, match=r"scored by both pdms_v1 and epdms_v2"):
        read_table(path)
    for name, alone in (("pdms_v1", v1), ("epdms_v2", v2)):
        for table in (read_table(path, name), read_table(path, of_both=name)):
            assert (table.protocol.name, table.label) == (name, "reworld")
            assert table.frame["score"].tolist() == alone["score"].tolist()
            assert table.footer["score"] == pytest.approx(alone["score"].mean())
            assert "scored by both" in " ".join(table.notes)
    assert read_table(write(v2, tmp_path / "y.csv"), of_both="pdms_v1").protocol.name == "epdms_v2"


def test_protocol_of_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, scores()[["token", "score"]], {"protocol": "pdms_v9"})
    with pytest.raises(ConfigError, match="pdms_v9 is unknown"):
        read_table(path)


def test_score_is_computed_where_it_is_not_there(tmp_path: Path) -> None:
    frame = scores()
    table = read_table(write(frame.drop(columns="score"), tmp_path / "x.csv"))
    np.testing.assert_allclose(table.frame["score"], frame["score"])
    with pytest.raises(DataError, match="no ego_progress"):
        read_table(write(frame.drop(columns=["score", "ego_progress"]), tmp_path / "y.csv"))


def test_scenes_that_are_not_valid_have_no_score(tmp_path: Path) -> None:
    frame = scores()
    frame["valid"] = frame.index != 3
    assert read_table(write(frame, tmp_path / "x.csv")).frame["score"].isna().sum() == 1


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "no column `token`"),
        (b"agent,PDMS,NC\nhuman,1,1\n", "no column `token`"),
        (b"token,score,comfort\naverage,1,1\n", "no scenes"),
        (b"token,score,comfort\na,1,1\na,1,1\n", "more than once, first a"),
        (b"token,score,comfort\na,high,1\n", "not a number"),
        (b"token,PDMS,pdm_score,comfort\na,1,1,1\n", "both mean score"),
        (b"PAR1 is all there is", "not a readable table"),
        (b"\xff\xfe\x00token", "not a readable table"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=match) as caught:
        read_table(path)
    assert "bad.csv" in caught.value.message


def test_folders_without_a_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no pdm_scores\.parquet"):
        read_table(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "absent")
    write(scores(), tmp_path / "2026.01.01.csv")
    assert len(read_table(tmp_path).frame) == 40
    write(scores(), tmp_path / "2026.01.02.csv")
    with pytest.raises(DataError, match="2 csv files"):
        read_table(tmp_path)


def test_of_two_runs_in_one_folder_none_is_guessed(tmp_path: Path) -> None:
    for name in ("pdm_scores.parquet", "drive_scores.parquet"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"two runs: pdm_scores\.parquet and drive_scores\.parquet"):
        read_table(tmp_path)


def test_path_that_is_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"r\xfcn")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    table = read_table(write(scores(), folder / "x.csv"))
    assert len(table.frame) == 40
    with pytest.raises(DataError) as caught:
        read_table(folder / "absent.csv")
    str(caught.value).encode("utf-8")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "x.csv"
    scores().to_csv(path, sep=separator, index=False, encoding="utf-8-sig")
    assert len(read_table(path).frame) == 40


def test_real_tables(shared_data: Path) -> None:
    folder = shared_data / "score_tables"
    excerpt = read_table(folder / "cv_agent_mini_excerpt37.csv")
    assert (excerpt.protocol.name, len(excerpt.frame)) == ("pdms_v1", 37)
    assert read_table(folder / "transfuser_navtest_10tokens.csv").protocol.name == "pdms_v1"
    stock = read_table(folder / "human_replay_stock_reactive.csv")
    assert (stock.protocol.name, len(stock.frame)) == ("epdms_v2", 12_146)
    assert stock.logs is not None and stock.logs.nunique() == 136
    lead = read_table(folder / "two_sided__lead_release.csv")
    assert lead.frame["score"].mean() == pytest.approx(0.8443, abs=5e-5)
    with pytest.raises(DataError, match="table of means"):
        read_table(folder / "navtest_ladder_means.csv")


ODD = ["average", "mean_of_all", "", "NA", "nan", "null", "=1+1", "total"]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_scenes_with_names_of_summary_rows_stay_scenes(tmp_path: Path, kind: str) -> None:
    """In any place of the table, also just above the row that has their name."""
    frame = scores()
    for places in (range(len(ODD)), range(40 - len(ODD), 40)):
        for place, name in zip(places, ODD, strict=True):
            frame.loc[place, "token"] = name
    frame = frame.drop_duplicates("token", keep="last" if kind == "parquet" else "first")
    table = with_footer(frame.reset_index(drop=True))
    if kind == "parquet":
        origin = {"protocol": "pdms_v1", "agent": "a", "tokens": len(frame)}
        write_parquet(tmp_path / "t.parquet", table, origin)
        found = read_table(tmp_path / "t.parquet")
        assert list(found.frame.index) == frame["token"].tolist()
    else:  # which says nothing of its scenes; "" is no name there
        write_csv(tmp_path / "t.csv", table)
        found = read_table(tmp_path / "t.csv")
        assert list(found.frame.index) == [name for name in frame["token"] if name]
    assert found.footer["score"] == pytest.approx(frame["score"].mean())
    np.testing.assert_allclose(
        found.frame["score"], frame.set_index("token").loc[found.frame.index, "score"]
    )

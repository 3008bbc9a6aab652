"""Two tables, scene by scene."""

from __future__ import annotations

import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from reworld_agent.analysis.comparison.compare import compare_tables
from reworld_agent.analysis.reporting.contents import score_card
from reworld_agent.analysis.tables.score_tables import read_table
from reworld_agent.cli.main import main
from reworld_agent.core.errors import ConfigError, DataError
from reworld_agent.core.result_tables import read_provenance, write_parquet
from reworld_agent.core.vocabulary import GROUP_SCORES
from reworld_agent.pdm.metrics.table import EPDMS_V2
from tests.analysis.tables import scores, two_stages, v2_scores, with_footer, write


def pair(tmp_path: Path, a: pd.DataFrame, b: pd.DataFrame) -> tuple[Path, Path]:
    return write(a, tmp_path / "a.csv"), write(with_footer(b), tmp_path / "b.csv")


def test_pairs_by_token_whatever_the_order(tmp_path: Path) -> None:
    frame = scores()
    a, b = pair(tmp_path, frame, frame.sample(frac=1.0, random_state=1))
    found = compare_tables(read_table(a), read_table(b), resamples=50)
    assert (found.scenes["outcome"] == "tied").all()
    assert (found.metrics["difference"] == 0).all()


def test_each_metric_and_each_scene(tmp_path: Path) -> None:
    good = scores(5).assign(**dict.fromkeys(scores(5).columns[2:], 1.0))
    bad = good.copy()
    bad.loc[0, ["no_at_fault_collisions", "time_to_collision_within_bound", "score"]] = 0.0
    bad.loc[1, ["time_to_collision_within_bound", "comfort", "score"]] = 0.0, 0.0, 5 / 12
    worse = good.copy()
    worse.loc[2, ["drivable_area_compliance", "ego_progress", "score"]] = 0.0
    a, b = pair(tmp_path, worse, bad)
    found = compare_tables(read_table(a), read_table(b), resamples=50)
    assert found.scenes["outcome"].tolist() == ["won", "won", "lost", "tied", "tied"]
    assert found.scenes["decided_by"].tolist() == [
        "no_at_fault_collisions",
        "time_to_collision_within_bound",
        "drivable_area_compliance",
        "",
        "",
    ]
    row = found.metrics.set_index("metric").loc["score"]
    assert row["difference"] == pytest.approx((1 + 7 / 12 - 1) / 5)
    assert (row["won"], row["lost"], row["tied"]) == (2, 1, 2)


def test_refuses_unlike_protocols_even_when_told_to_intersect(tmp_path: Path) -> None:
    a, b = pair(tmp_path, scores(), v2_scores())
    with pytest.raises(ConfigError, match="unlike protocols"):
        compare_tables(read_table(a), read_table(b), common=True)


def test_refuses_unlike_scenes_unless_told_and_then_says_so(tmp_path: Path) -> None:
    a, b = pair(tmp_path, scores(), scores(30, seed=1))
    with pytest.raises(ConfigError, match="30 in both, 10 only in A, 0 only in B"):
        compare_tables(read_table(a), read_table(b))
    found = compare_tables(read_table(a), read_table(b), common=True, resamples=50)
    assert len(found.scenes) == 30
    assert "the 30 are compared" in found.notes[0]


def test_a_scene_without_score_is_not_averaged_away(tmp_path: Path) -> None:
    broken = scores()
    broken.loc[0, ["valid"]] = False
    a, b = pair(tmp_path, broken, scores())
    with pytest.raises(ConfigError, match="without a score: 1 in A, 0 in B"):
        compare_tables(read_table(a), read_table(b))


def test_no_scene_in_common(tmp_path: Path) -> None:
    other = scores().assign(token=lambda frame: "x" + frame["token"])
    a, b = pair(tmp_path, scores(), other)
    with pytest.raises(DataError, match="in common"):
        compare_tables(read_table(a), read_table(b), common=True)


def test_one_scene(tmp_path: Path) -> None:
    a, b = pair(tmp_path, scores(1), scores(1, seed=5))
    found = compare_tables(read_table(a), read_table(b), resamples=50)
    assert np.isnan(found.metrics["low"]).all()
    assert "no interval" in " ".join(found.notes)
    assert main(["compare", str(a), str(b)]) == 0


def test_logs_make_intervals_wider(tmp_path: Path) -> None:
    frame = scores(200)
    logs = [f"log-{i // 10}" for i in range(200)]
    better = frame.copy()
    better["score"] += np.random.default_rng(0).normal(0, 0.1, 20).repeat(10)
    a, b = pair(tmp_path, better, frame)
    alone = compare_tables(read_table(a), read_table(b), resamples=2000).metrics.iloc[-1]
    a, b = pair(tmp_path, better.assign(log_name=logs), frame)
    found = compare_tables(read_table(a), read_table(b), resamples=2000)
    assert found.clusters == (20, "logs")
    assert found.metrics.iloc[-1]["standard_error"] > 2 * alone["standard_error"]


def test_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = pair(tmp_path, scores(), scores(seed=1))
    output = tmp_path / "folder" / "a_vs_b.parquet"
    assert main(["compare", str(a), str(b), f"output={output}", "resamples=200"]) == 0
    printed = capsys.readouterr().out
    assert "pdms_v1 (PDMS of NAVSIM v1), 40 scenes" in printed and "VERDICT" in printed
    metrics = pd.read_parquet(output)
    pd.testing.assert_frame_equal(metrics, pd.read_csv(output.with_suffix(".csv")))
    assert len(pd.read_parquet(output.with_name("a_vs_b.scenes.parquet"))) == 40
    assert read_provenance(output)["protocol"] == "pdms_v1"


def test_command_says_what_it_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = pair(tmp_path, scores(), scores(30).assign(comfort=0.0))
    assert main(["compare", str(a), str(b)]) == 1
    printed = capsys.readouterr().err
    assert "common=true" in printed and "ERROR: B: Comf is 0.0000" in printed
    assert main(["compare", str(a)]) == 2
    assert main(["compare", str(a), str(b), "comon=true"]) == 2
    assert "comon= is unknown" in capsys.readouterr().err
    assert main(["compare"]) == 2 and main(["compare", "--help"]) == 0


def test_output_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = pair(tmp_path, scores(), scores(seed=1))
    (tmp_path / "file").write_text("in the way")
    assert main(["compare", str(a), str(b), f"output={tmp_path / 'file' / 'x'}"]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["", ".csv", ".parquet"])
def test_an_input_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    a, b = pair(tmp_path, scores(), scores(seed=1))
    before = b.read_bytes()
    assert main(["compare", str(a), str(b), f"output={tmp_path / 'b'}{ending}"]) == 2
    assert "would overwrite the input b=" in capsys.readouterr().err
    assert b.read_bytes() == before and len(list(tmp_path.iterdir())) == 2


def test_tables_of_a_run_are_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = pair(tmp_path, scores(), scores(seed=1))
    run = tmp_path / "run"
    run.mkdir()
    a.rename(run / "pdm_scores.csv")
    assert main(["compare", str(run), str(b), f"output={run / 'pdm_scores'}"]) == 2
    assert "would overwrite the input a=" in capsys.readouterr().err


def test_paths_that_are_not_utf8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / os.fsdecode(b"r\xfcn=1")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    a, b = pair(folder, scores(), scores(seed=1))
    assert main(["compare", str(a), str(b), f"output={folder / 'x'}", "resamples=10"]) == 0
    capsys.readouterr().out.encode("utf-8")
    assert (folder / "x.csv").is_file() and (folder / "x.parquet").is_file()


def test_memory_stays_flat_for_a_hundred_thousand_scenes(tmp_path: Path) -> None:
    paths = [tmp_path / f"{seed}.parquet" for seed in range(2)]
    for seed, path in enumerate(paths):
        write_parquet(path, scores(100_000, seed), {"protocol": "pdms_v1"})
    first, second = (read_table(path) for path in paths)
    tracemalloc.start()
    compare_tables(first, second, resamples=20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6  # 20 resamples of every metric at once would take twice that


def test_diffusiondrive_and_lead(shared_data: Path) -> None:
    folder = shared_data / "score_tables"
    a, b = (
        read_table(folder / f"two_sided__{name}.csv")
        for name in ("diffusion_drive", "lead_release")
    )
    found = compare_tables(a, b, resamples=2000)
    assert found.clusters == (136, "logs")
    row = found.metrics.set_index("metric").loc["score"]
    plain_a, plain_b = (pd.read_csv(t.path).set_index("token")["score"] for t in (a, b))
    assert row["difference"] == pytest.approx((plain_a - plain_b).mean(), abs=1e-12)
    assert row["low"] < row["difference"] < row["high"]
    assert row["won"] == ((plain_a - plain_b) > 1e-9).sum()
    assert "unknown" not in set(found.scenes["decided_by"])


def test_through_the_reworld_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    a, b = pair(tmp_path, scores(), scores(seed=1))
    assert main(["compare", str(a), str(b), "resamples=10"]) == 0
    assert main(["compare", "--help"]) == 0
    assert "exit codes" in capsys.readouterr().out


def test_two_stages_are_judged_by_their_official_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row of A is better, and NAVSIM's combined score of B is."""
    names = EPDMS_V2.official
    better = v2_scores().assign(**dict.fromkeys(EPDMS_V2.multipliers, 1.0))
    worse = better.assign(ego_progress=better["ego_progress"] / 2)
    for frame in (better, worse):
        frame["score"] = EPDMS_V2.score({name: frame[name].to_numpy() for name in names})
    a = write(two_stages(better, 0.30), tmp_path / "a.csv")
    b = write(two_stages(worse, 0.35), tmp_path / "b.csv")
    main(["compare", str(a), str(b), "resamples=50", f"output={tmp_path / 'c'}"])
    text = capsys.readouterr().out
    assert "combined     0.3000   0.3500   -0.0500" in text
    assert "stage one, 10 scenes" in text and "stage two, 30 scenes" in text
    found = replace(compare_tables(read_table(a), read_table(b), resamples=50), notices=())
    assert found.verdict.startswith("VERDICT: B scores 0.0500 higher than A by NAVSIM's combined")
    assert found.metrics.groupby("stage")["won"].max().tolist() == [10, 30]
    card = score_card(read_table(a))[-1]
    assert card["mean"] == 0.30 and card["low"] is None  # in reports too
    official = read_provenance(tmp_path / "c.parquet")["official"]
    assert official["combined"] == {"a": 0.30, "b": 0.35}


def test_tokens_of_other_types(tmp_path: Path) -> None:
    a = write(scores(), tmp_path / "a.csv")
    scores().astype({"token": "category"}).to_parquet(tmp_path / "b.parquet")
    found = compare_tables(read_table(a), read_table(tmp_path / "b.parquet"), resamples=50)
    assert (found.scenes["outcome"] == "tied").all()
    count = len(scores())
    for number, tokens in enumerate((np.arange(count), np.linspace(0.5, 1, count))):
        scores().assign(token=tokens).to_parquet(tmp_path / f"{number}.parquet")
        with pytest.raises(DataError, match=r"\d\.parquet: the token [\d.]+ is no text"):
            read_table(tmp_path / f"{number}.parquet")


def test_the_interval_of_two_stages_is_that_of_their_groups(tmp_path: Path) -> None:
    """Against scipy's own paired bootstrap over the groups; NAVSIM's row stays the verdict."""
    draw = np.random.default_rng(3)
    first = draw.uniform(0.3, 0.9, 40)
    second = first - draw.normal(0.05, 0.05, 40)
    tables = []
    for name, own in (("a", first), ("b", second)):
        groups = {GROUP_SCORES: {f"now{k}": value for k, value in enumerate(own.tolist())}}
        path = tmp_path / f"{name}.parquet"
        write_parquet(path, two_stages(v2_scores(), float(own.mean())), groups)
        tables.append(read_table(path))
    a, b = tables
    found = replace(compare_tables(a, b, resamples=4000), notices=())
    known = scipy.stats.bootstrap(
        (first - second,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    assert found.combined is not None and found.combined.clusters == 40
    assert found.combined.low == pytest.approx(known.low, abs=2e-3)
    assert found.combined.high == pytest.approx(known.high, abs=2e-3)
    assert found.verdict.startswith("VERDICT: A scores 0.0") and "original scenes" in found.verdict
    other = replace(b, official={**b.official, "combined": 0.2})  # not the mean of its groups
    assert compare_tables(a, other, resamples=50).combined is None
    alike = replace(a, provenance=b.provenance, official=b.official)
    chance = replace(compare_tables(alike, b, resamples=50), notices=())
    assert chance.combined is not None and chance.combined.low == chance.combined.high == 0.0


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        (two_stages(v2_scores(), None), "none; B has no valid combined score of NAVSIM"),
        (two_stages(v2_scores(), 0.2, valid=False), "none; B has no valid combined score"),
        (two_stages(v2_scores(), 0.3), "A and B have the same combined score"),
        (
            two_stages(v2_scores().assign(valid=[False] + [True] * 39), 0.2),
            "none; 1 scenes of B have no score",
        ),
    ],
)
def test_without_official_rows_two_stages_have_no_verdict(
    tmp_path: Path, other: pd.DataFrame, verdict: str
) -> None:
    a = read_table(write(two_stages(v2_scores(), 0.3), tmp_path / "a.csv"))
    b = read_table(write(other, tmp_path / "b.csv"))
    found = replace(compare_tables(a, b, common=True, resamples=50), notices=())
    assert verdict in found.verdict


def test_one_stage_beside_two(tmp_path: Path) -> None:
    a = read_table(write(two_stages(v2_scores(), 0.3), tmp_path / "a.csv"))
    b = read_table(write(v2_scores(), tmp_path / "b.csv"))
    with pytest.raises(ConfigError, match="A is a table of two stages, the other of one"):
        compare_tables(a, b)
    found = compare_tables(a, b, common=True, resamples=50)
    assert len(found.scenes) == 10 and "stage one are compared" in " ".join(found.notes)


def test_no_verdict_against_the_summary_rows(tmp_path: Path) -> None:
    better, worse = scores().assign(score=0.9), scores().assign(score=0.2)
    rows = with_footer(better)
    rows.loc[rows["token"] == "average", "score"] = 0.1
    a = write(rows, tmp_path / "a.csv")
    b = write(with_footer(worse), tmp_path / "b.csv")
    found = replace(compare_tables(read_table(a), read_table(b), resamples=50), notices=())
    assert "last rows say the opposite" in found.verdict

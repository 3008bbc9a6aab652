"""What the check of claims finds, and that the shipped weights' own commands still say so."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from reworld_agent.analysis.comparison.compare import compare_tables
from reworld_agent.analysis.tables.score_tables import read_table
from reworld_agent.cli import main as cli
from tests.check_claims import RECORDS, faults, main, records

KNOWN = {"a": [0.0303, 0.022, 0.0391], "b.x": [1.0, 2.5], "b.y": [3.0, 4.5], "fvd": [1919.4]}
MARKED = "<!-- claims: {} -->\n\n{}"


def faults_of(text: str, old: str = "") -> list[str]:
    return list(faults(text, KNOWN, {old} if old else set(), set()))


@pytest.mark.parametrize(
    "text",
    [
        MARKED.format("a", "A is better by +.030 (+.022 … +.039) than B."),
        MARKED.format("a", "The same to more digits: 0.0303 (0.0220 … 0.0391)."),
        MARKED.format("b.*", "| m | p | q |\n|---|---|---|\n| x | 1.0 | 2.5 |\n| y | 3.0 | 4.5 |"),
        MARKED.format("fvd", "FVD 1,919 of 16 clips."),
        MARKED.format("none, a tolerance", "0.5 s ± 0.2 s"),
        "Version 2.2 of 16 scenes in 14 logs; `x=+.5 … +.7`, [here](a.md#1-to-2).",
    ],
)
def test_claims_that_hold(text: str) -> None:
    assert faults_of(text) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("A is better by +.030 (+.022 … +.039).", "+.030 is no record's"),
        (MARKED.format("a", "A is better by +.031 (+.022 … +.039)."), "a is not printed as record"),
        (MARKED.format("a", "+.030 (+.022 … +.039), and +.5 elsewhere"), "+.5 is no record's"),
        (MARKED.format("a", "+.030 (+.022 … +.039).\n\nPSNR 17.2 here"), "17.2 is no record's"),
        (MARKED.format("nothing", "words"), "there is no record nothing"),
        (
            MARKED.format("b.*", "| m | p | q |\n|--|--|--|\n| y | 1.0 | 2.5 |\n| x | 3.0 | 4.5 |"),
            "b.x is not printed as record",
        ),
        ("This costs 6 to 11 % more.", "11 is no record's"),
        ("It is 80 times faster.", "80 is no record's"),
        ("The loss is 1.56 against 1.58.", "1.58 is no record's"),
        ("FVD 1,919 and 1,924.", "1,924 is no record's"),
        ("| m | p |\n|---|---|\n| x | .1 |\n| y | .2 |", ".2 is no record's"),
        ("| m | FVD |\n|---|---|\n| x | 1919 |\n| y | 1920 |", "1919 is no record's"),
    ],
)
def test_claims_that_do_not(text: str, fault: str) -> None:
    assert any(fault in line for line in faults_of(text)), faults_of(text)


def test_what_no_command_gives_today_is_said_to_be_so() -> None:
    text = MARKED.format("b.x", "Once 1.0 ± 2.5.")
    assert "no longer what is found" in faults_of(f"# Now\n\n{text}", "b")[0]
    assert faults_of(f"# Now\n\n{text}\n\nToday's command no longer gives it.", "b") == []
    assert faults_of(f"# Now\n\n{text}\n\n# Elsewhere\n\nno longer", "b")


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ({"numbers": [1, 0, 2]}, "has no command"),
        ({"command": "x", "numbers": [1, 2, 3]}, "no .value, low, high."),
        ({"command": "x", "rows": {"one": [1, 2]}}, "without_interval"),
    ],
)
def test_a_record_has_its_interval_and_its_command(
    record: dict[str, object], fault: str, tmp_path: Path
) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump({"claim": record}))
    with pytest.raises(ValueError, match=fault):
        records(file)


def test_the_pages_print_what_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out


COLUMNS = ["no_at_fault_collisions", "drivable_area_compliance", "time_to_collision_within_bound"]
COLUMNS += ["comfort", "ego_progress", "score"]


@pytest.mark.slow
def test_make_evaluate_prints_what_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known, _ = records()
    makefile = (RECORDS.parents[1] / "Makefile").read_text(encoding="utf-8")
    command = makefile.partition("run_pdm_score.py ")[2].partition("\n\n")[0].replace("\\\n", " ")
    assert cli.main(["score", *shlex.split(command), f"output_dir={tmp_path}"]) == 0
    _, *names = [name.removeprefix("wide.") for name in known if name.startswith("wide.")]
    for name, folder in (("reworld", tmp_path), *((name, tmp_path / name) for name in names)):
        means = read_table(folder).frame[COLUMNS].mean().tolist()
        assert means == pytest.approx(known[f"wide.{name}"], abs=5e-5)
    said = capsys.readouterr().out
    own, low, high = known["wide_own"]
    assert f"PDMS {own:.4f} [{low:.4f}, {high:.4f}]" in said
    for name in names:
        numbers = "{:+.4f} [{:+.4f}, {:+.4f}]".format(*known[f"wide_minus.{name}"])
        assert f"  minus {name}: {numbers}" in said


@pytest.mark.slow
@pytest.mark.parametrize("split", ["town_test", "town_val"])
def test_the_shipped_weights_score_and_compare_as_recorded(split: str, tmp_path: Path) -> None:
    known, _ = records()
    names = ["constant_velocity", "ego_status_mlp", "human"]
    words = [f"beside=[{','.join(names)}]", f"train_test_split={split}", "workers=1"]
    assert cli.main(["score", "agent=reworld", *words, f"output_dir={tmp_path}"]) == 0
    run = read_table(tmp_path)
    if split == "town_test":
        means = run.frame[COLUMNS].mean().tolist()
        assert means == pytest.approx(known["town_test.reworld"], abs=5e-5)
    for name in names:
        record = known.get(f"{split}_minus.{name}")
        other = read_table(tmp_path / name)
        if split == "town_test":
            means = other.frame[COLUMNS].mean().tolist()
            assert means == pytest.approx(known[f"town_test.{name}"], abs=5e-5)
        if record:
            rows = compare_tables(run, other).metrics.set_index("metric")
            found = [float(rows[column]["score"]) for column in ("difference", "low", "high")]
            assert found == pytest.approx(record, abs=6e-5)


def test_the_file_says_what_its_fields_are() -> None:
    text = RECORDS.read_text(encoding="utf-8")
    fields = {key for record in yaml.safe_load(text).values() for key in record} - {"command"}
    head = "\n".join(line for line in text.splitlines()[:12] if line.startswith("#"))
    assert all(field in head for field in fields)

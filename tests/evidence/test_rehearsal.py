"""`reworld evidence run rehearse=true`: commands are small, measures read, runs untouched."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from reworld_agent.benchmarks.evidence import EvidenceRun, read_designs, rehearse_evidence
from reworld_agent.benchmarks.evidence.rehearsal import _SMALL, made_small
from reworld_agent.benchmarks.evidence.run import commands
from reworld_agent.cli.main import main
from reworld_agent.cli.tree import load
from reworld_agent.core.errors import DataError, ReWorldError
from reworld_agent.training.chain import Command
from tests.evidence.nano import Machine, nano, settings, tabled

ROOT = Path(__file__).parents[2]


class Failing(Machine):
    """One command of it fails."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self.fails = command

    def __call__(self, command: Command) -> int:
        return 1 if command.command == self.fails else super().__call__(command)


def test_one_seed_is_rehearsed_beside_the_runs(place: Path) -> None:
    machine = Machine()
    rehearse_evidence(settings(place, rehearse=True, seeds=(2, 3)), machine)
    assert len(machine.done) == 7 and all("seed_2" in line for line in machine.done)
    trained = shlex.split(machine.done[1])
    assert {"trainer.params.max_steps=2", "validation.every=1", "gain=0.05"} <= set(trained)
    home = place / "evidence"
    assert [folder.name for folder in home.iterdir()] == ["rehearsal"]
    assert set(tabled(place).table["verdict"]) == {"not run"}


def test_a_rehearsal_goes_on_behind_the_command_that_was_mended(place: Path) -> None:
    first, second = Failing("score"), Machine()
    with pytest.raises(ReWorldError, match="ended with code 1"):
        rehearse_evidence(settings(place, rehearse=True), first)
    rehearse_evidence(settings(place, rehearse=True), second)
    assert (len(first.done), len(second.done)) == (2, 5)


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        ({"file": "score/other.parquet", "column": "score"}, "other.parquet"),
        ({"file": "score/pdm_scores.parquet", "column": "drive_score"}, "no column drive_score"),
    ],
)
def test_a_measure_that_no_command_leaves_is_found(
    place: Path, measure: dict[str, Any], message: str
) -> None:
    changed = nano()
    changed["designs"]["gain"]["measures"]["chosen_by"] = measure
    (place / "designs.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    with pytest.raises(DataError, match=message):
        rehearse_evidence(settings(place, rehearse=True), Machine())


def test_no_gate_ends_a_rehearsal(place: Path) -> None:
    changed = nano()
    changed["designs"]["faster"]["commands"].append(["video", "gate", "output={home}/gate"])
    (place / "designs.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    rehearse_evidence(settings(place, "faster", rehearse=True), Failing("video"))


def test_words_are_replaced_and_not_given_twice() -> None:
    given = Command("b", "video", ("generate", "row=all", "index=a.parquet"))
    assert made_small(given).arguments == ("generate", "index=a.parquet", "row=0:4", "steps=2")
    other = Command("c", "video", ("index", "source=town"))
    assert made_small(other) == other


@pytest.mark.parametrize("name", [name for name in _SMALL if name not in ("train", "score")])
def test_what_makes_a_command_small_is_a_word_of_it(name: str) -> None:
    known = {field.word for field in load(name).fields()}
    assert set(_SMALL[name]) <= known | {"train_test_split.scene_filter.max_scenes"}


def test_the_shipped_designs_have_small_commands(tmp_path: Path) -> None:
    """Whatever takes long in them has words that make it small."""
    quick = ("synth", "score-trajectories", "video index")
    given: dict[str, Any] = {
        "start": tmp_path,
        "pool": ROOT / "README.md",
        "output_dir": tmp_path / "evidence",
    }
    for file in (None, *sorted((ROOT / "docs" / "designs").glob("[pt]o*.yaml"))):
        found = read_designs(file)
        for name, design in found.designs.items():
            if design.lacks:
                continue
            asked = EvidenceRun(design=name, designs=file, **given)
            for command in commands(design, found.world, asked, 1):
                words = " ".join((command.command, *command.arguments[:1]))
                assert words.startswith(quick) or made_small(command) != command, words


def test_bad_words_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"designs={place / 'designs.yaml'}", "design=gain", f"start={place / 'weights'}"]
    assert main(["evidence", "run", *words, "rehearse=perhaps"]) == 2
    assert "rehearse" in capsys.readouterr().err

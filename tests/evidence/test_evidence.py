"""`reworld evidence run`: designs as data, runs that go on, refusals."""

from __future__ import annotations

import json
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest
import yaml

from reworld_agent.benchmarks.evidence import (
    read_designs,
    run_evidence,
)
from reworld_agent.benchmarks.evidence.run import commands
from reworld_agent.cli.main import main
from reworld_agent.core.errors import ConfigError, ReWorldError, UsageError
from reworld_agent.core.result_tables import read_provenance
from reworld_agent.model.gate_record import write_verdict
from reworld_agent.training.chain import Command
from tests.evidence.nano import BIG, SCORE, SMALL, Machine, nano, settings, tabled


def test_a_design_runs_every_arm_with_every_seed_and_is_told(place: Path) -> None:
    for design in ("gain", "faster"):
        run_evidence(settings(place, design), Machine())
    page = place / "evidence.md"
    found = tabled(place, page=page)
    table = found.table.set_index(["design", "contrast"])
    better, best = table.loc[("gain", "better")], table.loc[("gain", "best_of_all")]
    assert better["effect"] == pytest.approx(0.05) and better["verdict"] == "supported"
    assert (better["seeds"], better["clusters"], better["scenes"]) == (3, 6, 24)
    assert best["chosen"] == "with" and best["effect"] == pytest.approx(0.05)
    assert table.loc[("faster", "steps"), "effect"] == pytest.approx(2.0, rel=0.05)
    assert table.loc[("later", "any"), "verdict"] == "not run"
    assert found.claims == {"gain": "supported", "faster": "supported", "later": "not run"}
    origin = read_provenance(place / "table.parquet")
    assert origin["world"] == "6" and origin["gate"]["gain"] == "video half passed"
    assert all((place / f"table{end}").stat().st_size > 0 for end in (".csv", ".png"))
    text = page.read_text()
    assert "| gain | with is better than without (a test) | **supported** |" in text
    assert "it lacks an oracle" in text and "`reworld evidence run design=gain start=…`" in text


def test_shared_commands_run_once_a_seed_and_words_are_filled_in(place: Path) -> None:
    design = read_designs(place / "designs.yaml").designs["gain"]
    world = read_designs(place / "designs.yaml").world
    chain = commands(design, world, settings(place), 1)
    assert [c.command for c in chain] == ["prepare", *3 * ["train", "score"]]
    first = chain[1]
    home = place / "evidence" / "gain" / "with_seed_1"
    assert first.arguments == ("seed=1", f"output_dir={home}/train", "gain=0.05")
    assert first.training == home / "train" and chain[2].training is None
    assert chain[0].arguments[0] == f"from={place / 'weights'}"


def test_a_killed_run_goes_on_where_it_stopped(place: Path) -> None:
    first, second = Machine(stop_after=5), Machine()
    with pytest.raises(KeyboardInterrupt):
        run_evidence(settings(place), first)
    run_evidence(settings(place), second)
    whole = [str(c) for c in run_evidence(settings(place), Machine(stop_after=0))]
    assert [*first.done, *second.done] == whole


def test_seeds_can_be_run_apart_and_at_the_same_time(place: Path) -> None:
    """Together they leave what one run of all leaves, and a seed has one writer."""
    apart = [*settings(place, seeds=(3,)).outputs(), *settings(place, seeds=(1, 2)).outputs()]
    assert len(set(apart)) == 3 and set(apart) == set(settings(place).outputs())
    other = Machine()

    def beside(command: Command) -> int:
        if not other.done:
            Context().run(run_evidence, settings(place, seeds=(3,)), other)
            with pytest.raises(ConfigError, match="seed_2 is being written by another process"):
                Context().run(run_evidence, settings(place, seeds=(2,)), Machine())
        return one(command)

    one = Machine()
    run_evidence(settings(place, seeds=(1, 2)), beside)
    assert (len(one.done), len(other.done)) == (14, 7)
    run_evidence(settings(place), Machine(stop_after=0))  # nothing is left to do
    assert tabled(place).claims["gain"] == "supported"
    with pytest.raises(UsageError, match="seeds=4: design=gain has no such seed"):
        settings(place, seeds=(1, 4))


def test_a_run_of_version_0_2_goes_on(place: Path) -> None:
    """It kept the times of all seeds in one record."""
    with pytest.raises(KeyboardInterrupt):
        run_evidence(settings(place), Machine(stop_after=10))
    home = place / "evidence" / "gain"
    records = sorted(home.glob("seed_*/chain.json"))
    times = [timing for file in records for timing in json.loads(file.read_text())]
    for file in records:
        file.unlink()
    (home / "chain.json").write_text(json.dumps(times))
    hours = tabled(place).table.query("design == 'gain'")["hours"].iloc[0]
    assert hours == pytest.approx(sum(one["cpu_s"] for one in times) / 3600)
    rest = Machine()
    run_evidence(settings(place), rest)
    assert len(times) + len(rest.done) == 21 and len(times) == 10


def test_missing_runs_are_named_and_nothing_is_decided(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_evidence(settings(place), Machine(stop_after=16))
    words = [f"output_dir={place / 'evidence'}", f"designs={place / 'designs.yaml'}"]
    assert main(["evidence", "table", *words, f"output={place / 'table'}"]) == 1
    said = capsys.readouterr().out
    assert "missing: design gain: with, seed 3" in said and "gain: incomplete" in said
    assert set(tabled(place).table.query("design == 'gain'")["verdict"]) == {"incomplete"}


def test_other_settings_in_the_same_folder_are_refused(place: Path) -> None:
    run_evidence(settings(place), Machine())
    with pytest.raises(ConfigError, match="another model"):
        run_evidence(settings(place, model="paper"), Machine())
    changed = nano()
    changed["designs"]["gain"]["contrasts"]["better"]["supported"] = {"low_above": 0.0}
    (place / "designs.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    with pytest.raises(ConfigError, match="another design"):
        run_evidence(settings(place), Machine())
    with pytest.raises(ConfigError, match="another design of that name"):
        tabled(place)


def test_another_version_of_the_town_is_refused(place: Path) -> None:
    run_evidence(settings(place), Machine())
    changed = nano()
    changed["world"] |= {"version": "7"}
    (place / "designs.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    with pytest.raises(UsageError, match="town6_train is of version 6 of the town"):
        run_evidence(settings(place), Machine())
    with pytest.raises(ConfigError, match="are of version 6 of the town"):
        tabled(place)


def test_weights_that_fail_the_gate_are_refused_or_marked(place: Path) -> None:
    write_verdict(place / "weights", "failed: slope at t = 1", "town6_val", 9, "0")
    with pytest.raises(ConfigError, match="have not passed the gate"):
        run_evidence(settings(place), Machine())
    (place / "weights" / "gate.json").unlink()
    with pytest.raises(ConfigError, match="not judged"):
        run_evidence(settings(place), Machine())
    write_verdict(place / "weights", "failed: slope at t = 1", "town6_val", 9, "0")
    run_evidence(settings(place, gate=False), Machine())
    assert set(tabled(place).table.query("design == 'gain'")["gate"]) == {"failed: slope at t = 1"}


def test_a_gate_inside_of_a_design_ends_it_unless_it_is_waived(place: Path) -> None:
    changed = nano()
    changed["designs"]["faster"]["commands"].append(["video", "gate", "{home}/train/weights"])
    (place / "designs.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))

    class Failing(Machine):
        def __call__(self, command: Command) -> int:
            return 1 if command.command == "video" else super().__call__(command)

    with pytest.raises(ReWorldError, match="ended with code 1"):
        run_evidence(settings(place, "faster"), Failing())
    run_evidence(settings(place, "faster", gate=False), Failing())
    assert set(tabled(place).table.query("design == 'faster'")["gate"]) == {"not judged"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["design=gains"], "design=gains is unknown"),
        (["design=later"], "it lacks an oracle"),
        (["design=gain"], "start= is missing"),
    ],
)
def test_bad_words_are_refused(
    place: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [f"designs={place / 'designs.yaml'}", f"output_dir={place / 'evidence'}"]
    assert main(["evidence", "run", *given, *words]) == 2
    assert message in capsys.readouterr().err
    assert not (place / "evidence").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"contrasts": {"x": {"measure": "ade", "arms": {"one": 1}}}}, "measure cannot be ade"),
        ({"contrasts": {"x": {"measure": "pdms", "arms": {"two": 1}}}}, "arms cannot be two"),
        ({"arms": {"../one": {}}}, "an arm's name cannot be"),
        ({"needs": ["luck"]}, "needs cannot be luck"),
        ({"seeds": [1, 1]}, "seeds, each once, cannot be 1"),
        ({"seeds": []}, "what it has none of cannot be seeds"),
        ({"arms": {}}, "what it has none of cannot be arms"),
        ({"commands": [[]]}, "commands cannot be"),
        ({"measures": {"pdms": {**SCORE, "file": "../x.parquet"}}}, "a file of its runs cannot be"),
        ({"contrasts": {"x": {"measure": "pdms", "arms": {}}}}, "arms of linear cannot be"),
        ({"contrasts": {"x": {"measure": "pdms", "arms": {"chosen": 1}}}}, "arms cannot be chosen"),
        (
            {"contrasts": {"x": {"measure": "pdms", "arms": {"chosen": 1}, "choose": "pdms"}}},
            "choose, among nothing, cannot be pdms",
        ),
        (
            {"contrasts": {"x": {"measure": "pdms", "arms": {"one": 1}, "kind": "speedup"}}},
            "arms of speedup cannot be",
        ),
    ],
)
def test_designs_that_name_what_is_not_there_are_refused(
    place: Path, change: dict[str, Any], message: str
) -> None:
    changed = nano()
    for contrast in change.get("contrasts", {}).values():
        contrast |= {"supported": BIG, "refuted": SMALL}
    changed["designs"]["later"] |= change
    (place / "designs.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    with pytest.raises(UsageError, match=message):
        read_designs(place / "designs.yaml")

"""`reworld evidence`: designs as data, runs that go on, effects and verdicts, refusals."""

from __future__ import annotations

import json
from contextvars import Context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from reworld_agent.benchmarks.evidence import (
    EvidenceRun,
    EvidenceTable,
    measured,
    read_designs,
    run_evidence,
    table_evidence,
)
from reworld_agent.benchmarks.evidence.designs import Rule
from reworld_agent.benchmarks.evidence.measured import speedup
from reworld_agent.benchmarks.evidence.run import commands
from reworld_agent.cli.main import main
from reworld_agent.core.errors import ConfigError, DataError, ReWorldError, UsageError
from reworld_agent.core.result_tables import read_provenance, write_csv, write_parquet
from reworld_agent.model.gate_record import write_verdict
from reworld_agent.training.chain import Command
from tests.core.records.mutations import of_bytes, of_values

TOWNS_OF = measured.towns_of  # the tests' own drives are in no split
GAIN = {"with": 0.05, "without": 0.0, "harmful": -0.1}
SCORE = {"file": "score/pdm_scores.parquet", "column": "score"}
BIG = {"low_above": 0.02}
SMALL = {"high_below": 0.02}


def nano() -> dict[str, Any]:
    """Two designs of two commands a run, as a file of designs has them."""
    common: dict[str, Any] = {"source": "a test", "seeds": [1, 2, 3]}
    score = ["score", "--weights={home}/train", "--split={test}", "--seed={seed}"]
    return {
        "world": {
            "version": "6",
            "train": "town6_train",
            "validation": "town6_val",
            "test": "town6_test",
        },
        "designs": {
            "gain": {
                **common,
                "claim": "with is better than without",
                "needs": ["start"],
                "before": [["prepare", "from={start}", "{seed_home}"]],
                "arms": {name: {"words": [f"gain={GAIN[name]:g}"]} for name in GAIN},
                "commands": [["train", "seed={seed}", "output_dir={home}/train", "{words}"], score],
                "measures": {"pdms": SCORE, "chosen_by": SCORE},
                "contrasts": {
                    "better": {
                        "measure": "pdms",
                        "arms": {"with": 1, "without": -1},
                        "supported": BIG,
                        "refuted": SMALL,
                    },
                    "best_of_all": {
                        "measure": "pdms",
                        "choose": "chosen_by",
                        "among": ["with", "harmful"],
                        "arms": {"chosen": 1, "without": -1},
                        "supported": BIG,
                        "refuted": SMALL,
                    },
                },
            },
            "faster": {
                **common,
                "claim": "it learns faster",
                "gated": False,
                "arms": {"slow": {}, "fast": {}},
                "commands": [["train", "output_dir={home}/train"]],
                "measures": {"loss": {"file": "train/validation.csv", "column": "generation"}},
                "contrasts": {
                    "steps": {
                        "kind": "speedup",
                        "measure": "loss",
                        "arms": {"fast": 1, "slow": -1},
                        "supported": {"low_above": 1.5},
                        "refuted": {"high_below": 1.2},
                    }
                },
            },
            "later": {
                **common,
                "claim": "nobody knows",
                "lacks": "an oracle",
                "arms": {"one": {}},
                "commands": [],
                "measures": {"pdms": SCORE},
                "contrasts": {
                    "any": {
                        "measure": "pdms",
                        "arms": {"one": 1},
                        "supported": BIG,
                        "refuted": SMALL,
                    }
                },
            },
        },
    }


class Machine:
    """Stands for the commands: leaves behind what they would, and counts."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.done: list[str] = []
        self.stop_after = stop_after

    def __call__(self, command: Command) -> int:
        if self.stop_after is not None and len(self.done) >= self.stop_after:
            raise KeyboardInterrupt
        self.done.append(str(command))
        if command.command == "train":
            place = Path(command.arguments[-1 if len(command.arguments) == 1 else 1][11:])
            place.mkdir(parents=True, exist_ok=True)
            (place / "words").write_text(" ".join(command.arguments))
            fast = 2.0 if "fast_seed" in str(place) else 1.0
            steps = np.arange(0, 1001, 50)
            falling = 2.0 * np.exp(-fast * steps / 400)
            rows = pd.DataFrame({"step": steps, "generation": falling})
            write_csv(place / "validation.csv", rows)
        elif command.command == "score":
            self._score(Path(command.arguments[0].partition("=")[2]), int(command.arguments[2][-1]))
        return 0

    def _score(self, train: Path, seed: int) -> None:
        words = (train / "words").read_text()
        gain = float(words.partition("gain=")[2])
        rng = np.random.default_rng(seed)
        scores = 0.7 + gain + rng.normal(0, 0.01) + np.random.default_rng(9).normal(0, 0.05, 24)
        tokens = [f"t{k}" for k in range(24)]
        logs = [f"drive{k // 4}" for k in range(24)]
        folder = train.parent / "score"
        table = pd.DataFrame({"token": [*tokens, "average"], "score": [*scores, scores.mean()]})
        write_parquet(folder / "pdm_scores.parquet", table, {})
        record = pd.DataFrame({"token": tokens, "log_name": logs})
        write_parquet(folder / "inference.parquet", record, {})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with designs.yaml and weights that have passed the gate; drives of two towns."""
    (tmp_path / "designs.yaml").write_text(yaml.safe_dump(nano(), sort_keys=False))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "checksums.json").write_text("{}")
    write_verdict(tmp_path / "weights", "video half passed", "town6_val", 9, "0")

    def halves(split: str, drives: list[str]) -> list[str]:
        return ["north" if int(drive[-1]) % 2 else "south" for drive in drives]

    monkeypatch.setattr(measured, "towns_of", halves)
    return tmp_path


def settings(place: Path, design: str = "gain", **changes: Any) -> EvidenceRun:
    given: dict[str, Any] = {
        "designs": place / "designs.yaml",
        "start": place / "weights" if design == "gain" else None,
        "output_dir": place / "evidence",
    }
    return EvidenceRun(design=design, **(given | changes))


def tabled(place: Path, **changes: Any) -> Any:
    chosen = EvidenceTable(
        output_dir=place / "evidence",
        designs=place / "designs.yaml",
        output=place / "table",
        resamples=400,
        **changes,
    )
    return table_evidence(chosen)


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


def test_a_table_stands_for_runs_that_are_gone(place: Path) -> None:
    run_evidence(settings(place), Machine())
    first = tabled(place)
    kept = (place / "table.parquet").rename(place / "kept.parquet")
    (place / "evidence" / "gain").rename(place / "elsewhere")
    assert set(tabled(place).table["verdict"]) == {"not run"}
    again = tabled(place, kept=(kept,), page=place / "page.md")
    pd.testing.assert_frame_equal(again.table, first.table)
    assert again.claims == first.claims
    assert "Processor time" in (place / "page.md").read_text()
    run_evidence(settings(place, "faster"), Machine())
    both = tabled(place, kept=(kept,)).table
    assert set(both[both["verdict"] == "not run"]["design"]) == {"later"}
    pd.testing.assert_frame_equal(
        both[both["design"] == "gain"], first.table.query("design == 'gain'")
    )


def test_kept_tables_of_something_else_are_refused(place: Path) -> None:
    run_evidence(settings(place), Machine())
    first = tabled(place).table
    kept = (place / "table.parquet").rename(place / "kept.parquet")
    (place / "evidence" / "gain").rename(place / "elsewhere")
    with pytest.raises(ConfigError, match="intervals is drives within towns, not towns"):
        tabled(place, kept=(kept,), over_towns=True)
    with pytest.raises(ConfigError, match="both have design gain"):
        tabled(place, kept=(kept, kept))
    with pytest.raises(DataError, match="is no table of"):
        tabled(place, kept=(place / "elsewhere" / "with_seed_1" / "score" / "inference.parquet",))
    whole = kept.read_bytes()
    for damaged in of_bytes(whole, 60):
        kept.write_bytes(damaged)
        try:
            read = tabled(place, kept=(kept,)).table
        except ReWorldError:
            continue
        pd.testing.assert_frame_equal(read, first)  # bytes that mean nothing
    kept.write_bytes(whole)
    changed = nano()
    changed["designs"]["gain"]["contrasts"]["better"]["supported"] = {"low_above": 0.0}
    (place / "designs.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    with pytest.raises(ConfigError, match="effects of another design gain"):
        tabled(place, kept=(kept,))


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


@pytest.mark.parametrize("name", ["evidence.json", "seed_1/chain.json"])
def test_damaged_records_of_runs_are_one_error(place: Path, name: str) -> None:
    run_evidence(settings(place), Machine())
    file = place / "evidence" / "gain" / name
    whole, taken = file.read_bytes(), 0
    for damaged in [*of_bytes(whole, 40), *of_values(whole, 80)]:
        file.write_bytes(damaged)
        try:
            tabled(place)
            taken += 1  # such as another time
        except ReWorldError:
            pass
    assert taken < 60
    file.write_bytes(whole)
    tabled(place)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("generation", "x", "generation of row 0 must be a finite number"),
        ("generation", np.nan, "generation of row 0 must be a finite number"),
        ("step", "x", "step of row 0 must be a finite number"),
        ("step", 5, "no curve: two or more, rising"),
        ("step", -1, "no curve"),
    ],
)
def test_curves_that_are_none_are_refused(
    place: Path, column: str, value: Any, message: str
) -> None:
    run_evidence(settings(place, "faster"), Machine())
    file = place / "evidence" / "faster" / "fast_seed_1" / "train" / "validation.csv"
    write_csv(file, pd.read_csv(file).assign(**{column: value}))
    with pytest.raises(DataError, match=message):
        tabled(place)


@pytest.mark.parametrize("value", ["x", np.nan, np.inf])
def test_scores_that_are_none_are_refused(place: Path, value: Any) -> None:
    run_evidence(settings(place), Machine())
    file = place / "evidence" / "gain" / "with_seed_1" / "score" / "pdm_scores.parquet"
    pd.read_parquet(file).assign(score=value).to_parquet(file)
    with pytest.raises(DataError, match="score of row 0 must be a finite number"):
        tabled(place)


def test_a_drive_that_is_a_path_is_refused() -> None:
    with pytest.raises(DataError, match="the name of no log"):
        TOWNS_OF("town6_test", ["../../elsewhere"])


def test_the_shipped_designs_have_the_thresholds_of_the_plan() -> None:
    designs = read_designs().designs
    assert list(designs) == ["A", "A2", "B", "C", "D", "E", "factorial"]
    saved = designs["A"].contrasts["steps_saved"]
    assert (saved.supported, saved.refuted) == (Rule(low_above=1.5), Rule(high_below=1.2))
    assert designs["C"].contrasts["gain"].supported == Rule(low_above=0, effect_at_least=0.004)
    assert designs["D"].contrasts["harm_of_8"].supported == Rule(effect_at_most=-0.02)
    assert len(designs["factorial"].arms) == 8 and len(designs["factorial"].seeds) >= 5
    for contrast in designs["factorial"].contrasts.values():
        assert sum(contrast.arms.values()) == 0 and len(contrast.arms) == 8


def test_rules_hold_where_all_that_they_name_holds() -> None:
    rule = Rule(low_above=0.0, effect_at_least=0.4)
    assert rule.holds(0.5, 0.1, 0.9)
    assert not rule.holds(0.3, 0.1, 0.5) and not rule.holds(0.5, -0.1, 0.9)
    assert not rule.holds(0.5, float("nan"), float("nan"))
    assert rule.text() == "low above 0 and effect at least 0.4"


def test_speedup_of_exponential_curves_is_their_ratio_of_rates() -> None:
    steps = np.linspace(0, 1000, 41)
    curves = {rate: (steps, np.exp(-rate * steps)) for rate in (1e-3, 2e-3, 5e-4)}
    assert speedup(curves[1e-3], curves[2e-3]) == pytest.approx(2.0, rel=0.01)
    assert speedup(curves[1e-3], curves[1e-3]) == pytest.approx(1.0)
    never = speedup(curves[1e-3], curves[5e-4])  # it would need 1200 of its 1000 steps
    assert never == pytest.approx(0.6, rel=0.01)
    noisy = (steps, np.exp(-1e-3 * steps) + 0.2 * (np.arange(41) % 2))
    assert np.isfinite(speedup(noisy, curves[1e-3]))

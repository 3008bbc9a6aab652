"""`reworld evidence table`: effects and verdicts, kept tables, damaged files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from reworld_agent.benchmarks.evidence import (
    read_designs,
    run_evidence,
)
from reworld_agent.benchmarks.evidence.designs import Rule
from reworld_agent.benchmarks.evidence.measured import speedup
from reworld_agent.core.errors import ConfigError, DataError, ReWorldError
from reworld_agent.core.result_tables import write_csv
from tests.core.records.mutations import of_bytes, of_values
from tests.evidence.nano import TOWNS_OF, Machine, nano, settings, tabled


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

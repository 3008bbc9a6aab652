"""Every planner is scored and driven on the same drives; then their ranks are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reworld_agent.benchmarks.evidence.measured import towns_of
from reworld_agent.benchmarks.ranks.correlation import Agreement, agreements
from reworld_agent.benchmarks.ranks.settings import RanksSettings
from reworld_agent.core.errors import DataError
from reworld_agent.core.guards.writers import one_writer
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import keep_settings, read_frame, write_with_twin
from reworld_agent.scenes.synthetic.drive import SPLITS
from reworld_agent.training.chain import Command, in_a_process, run_chain, setting

Array = NDArray[np.float64]
RECORD, PLANNERS, RANKS = "ranks.json", "planners.parquet", "ranks.parquet"
PDMS, EPDMS, DRIVEN, ALPASIM = "PDMS", "EPDMS", "drive score", "AlpaSim"
_AVERAGE = "average"
_SHOTS = {PDMS: "pdms_v1_score", EPDMS: "epdms_v2_score"}
_LOOPS = {DRIVEN: "score", ALPASIM: "alpasim_score"}
_AGAIN = "give the same command again: it goes on"


@dataclass(frozen=True)
class Ranks:
    """What came of it.

    Attributes:
        planners: a row a planner, best driver first: its mean of every score, and its ranks.
        agreements: of every pair of scores.
        drives: how many.
    """

    planners: pd.DataFrame
    agreements: list[Agreement]
    drives: int

    def text(self) -> str:
        """Both tables."""
        width = max(len(str(name)) for name in self.planners["planner"])
        scores = [*_SHOTS, *_LOOPS]
        lines = [f"{'planner':<{width}}" + "".join(f"{name:>18}" for name in scores)]
        for row in self.planners.to_dict("records"):
            cells = (f"{row[name]:.4f} ({row[f'{name} rank']:g})" for name in scores)
            lines.append(f"{row['planner']:<{width}}" + "".join(f"{cell:>18}" for cell in cells))
        lines.append("")
        lines.append(f"{'scores':<24}{'':<10}value  95 % over drives  over drives and planners")
        for own in self.agreements:
            pair = f"{own.first}, {own.second}"
            lines.append(
                f"{pair:<24}{own.kind:<10}{own.value:5.2f}  "
                f"{f'{own.low:.2f} to {own.high:.2f}':<18}"
                f"{own.low_planners:.2f} to {own.high_planners:.2f}"
            )
        lines.append(f"{len(self.planners)} planners, {self.drives} drives")
        return "\n".join(lines)


def commands(settings: RanksSettings) -> list[Command]:
    """A score and a drive of every planner."""
    home = settings.output_dir.absolute()
    plan = SPLITS[settings.split]
    logs = ",".join(plan.log_name(index) for index in range(settings.scenarios))
    chain = []
    for name, words in settings.chosen.items():
        score = (
            *words,
            "protocol=both",
            f"train_test_split={settings.split}",
            f"train_test_split.scene_filter.log_names=[{logs}]",
            setting("output_dir", home / name / "score"),
        )
        drive = (
            *words,
            f"split={settings.split}",
            f"scenarios={settings.scenarios}",
            setting("output_dir", home / name / "drive"),
        )
        chain += [
            Command(f"{name}.score", "score", score),
            Command(f"{name}.drive", "drive", drive),
        ]
    return chain


@one_writer
def benchmark_ranks(settings: RanksSettings, run: Callable[[Command], int] = in_a_process) -> Ranks:
    """Score and drive every planner, compare the orders, write planners and ranks as tables.

    Args:
        settings: see there.
        run: runs one command; its exit code.

    Raises:
        ReWorldError: a command failed; finished ones are kept. ConfigError: the folder holds runs
            of another split or number of drives.
    """
    home = settings.output_dir
    about = {"split": settings.split, "scenarios": settings.scenarios}
    keep_settings(home / RECORD, about, {"code_version": code_version()})
    run_chain(commands(settings), home, run)
    names = list(settings.chosen)
    logs = [SPLITS[settings.split].log_name(index) for index in range(settings.scenarios)]
    scores = {key: np.array([_shot(home / name, key, logs) for name in names]) for key in _SHOTS}
    scores |= {key: np.array([_driven(home / name, key, logs) for name in names]) for key in _LOOPS}
    towns = towns_of(settings.split, logs)
    found = agreements(scores, towns, settings.resamples, settings.seed)
    table = _planner_table(names, scores)
    origin = {**about, "code_version": code_version(), "resamples": settings.resamples}
    write_with_twin(home / PLANNERS, table, origin)
    write_with_twin(home / RANKS, pd.DataFrame([asdict(own) for own in found]), origin)
    return Ranks(table, found, len(logs))


def _planner_table(names: list[str], scores: dict[str, Array]) -> pd.DataFrame:
    table = pd.DataFrame({"planner": names, **{key: own.mean(1) for key, own in scores.items()}})
    for key in scores:
        table[f"{key} rank"] = table[key].rank(ascending=False)
    return table.sort_values(DRIVEN, ascending=False, ignore_index=True)


def _shot(home: Path, key: str, logs: list[str]) -> Array:
    """A single-shot score [drives]: the mean over the scenes of each."""
    table = read_frame(home / "score" / "pdm_scores.parquet", _AGAIN, ("token", _SHOTS[key]))
    known = read_frame(home / "score" / "inference.parquet", _AGAIN, ("token", "log_name"))
    rows = table.merge(known, on="token")
    return _by_log(rows[_SHOTS[key]].groupby(rows["log_name"]).mean(), logs, home)


def _driven(home: Path, key: str, logs: list[str]) -> Array:
    """A closed-loop score [drives]."""
    columns = ("scenario", "log_name", _LOOPS[key])
    table = read_frame(home / "drive" / "drive_scores.parquet", _AGAIN, columns)
    rows = table[table["scenario"] != _AVERAGE].set_index("log_name")
    return _by_log(rows[_LOOPS[key]], logs, home)


def _by_log(values: pd.Series, logs: list[str], home: Path) -> Array:
    """Values in the order of the logs; raises DataError where one is missing."""
    found: Array = values.reindex(logs).to_numpy(np.float64)
    missing = [log for log, value in zip(logs, found, strict=True) if not np.isfinite(value)]
    if missing:
        raise DataError(f"{home}: no score of the drive {missing[0]}", _AGAIN)
    return found

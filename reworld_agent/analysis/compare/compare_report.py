"""`reworld compare A B`: the printed table and the files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from reworld_agent.analysis.compare.compare import LOST, TIED, WON, Comparison, compare
from reworld_agent.analysis.tables.protocols import PROTOCOLS, SCORE, SHORT
from reworld_agent.analysis.tables.sanity import ERROR, Notice, notices
from reworld_agent.analysis.tables.score_tables import ScoreTable, read_table
from reworld_agent.core.arguments import Words, run_command
from reworld_agent.core.errors import ReWorldError, UsageError
from reworld_agent.core.provenance import code_version
from reworld_agent.core.result_tables import write_csv, write_parquet
from reworld_agent.core.text import shown

USAGE = "reworld compare A B [common=true] [output=FILE] [protocol=NAME] [resamples=N] [seed=N]"
HELP = f"""{USAGE}

Compare two evaluations scene by scene: run folders, parquet or csv files, ours or NAVSIM's.

  common=true     compare the scenes that both have, where they are not the same
  output=FILE     write FILE.parquet, FILE.csv (one row a metric) and FILE.scenes.parquet, .csv
  protocol=NAME   {" | ".join(PROTOCOLS)}; only where a table does not tell itself
  resamples=N     bootstrap resamples (10000)
  seed=N          of the resampling (1)

example: reworld compare outputs/pdm_score/a outputs/pdm_score/b common=true output=a_vs_b

exit codes: 0 compared; 1 refused (unlike protocols or scenes, unreadable table); 2 wrong usage;
3 compared, but a table bears the signs of a broken evaluation.
"""
_KNOWN = ("common", "output", "protocol", "resamples", "seed")


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code."""
    return run_command(arguments, HELP, _KNOWN, _compare_tables)


def _compare_tables(words: Words) -> int:
    if len(words.plain) != 2:
        raise UsageError(f"compare takes two tables, not {len(words.plain)}", USAGE)
    protocol = words.choice("protocol", tuple(PROTOCOLS))
    resamples, seed = words.number("resamples", 10_000), words.number("seed", 1)
    common, output = words.flag("common"), words.path("output")
    first, second = (read_table(path, protocol) for path in words.plain)
    found = _compare(first, second, common, resamples, seed)
    print(report(found))
    if output is not None:
        print(f"written: {', '.join(shown(path) for path in write(found, output))}")
    return 3 if any(notice.level == ERROR for _, notice in found.notices) else 0


def _compare(
    first: ScoreTable, second: ScoreTable, common: bool, resamples: int, seed: int
) -> Comparison:
    """`compare`; where it refuses, signs of a broken table are still worth telling."""
    try:
        return compare(first, second, common, resamples, seed=seed)
    except ReWorldError:
        for letter, table in (("A", first), ("B", second)):
            for notice in notices(table):
                print(_notice(letter, notice), file=sys.stderr)
        raise


def _notice(letter: str, notice: Notice) -> str:
    return f"{notice.level.upper()}: {letter}: {notice.text}"


def report(found: Comparison) -> str:
    """The comparison as text."""
    count, kind = found.clusters
    percent = f"{100 * found.settings['confidence']:g} %"
    lines = [
        f"A  {_name(found.a)}",
        f"B  {_name(found.b)}",
        f"{found.a.protocol.name} ({found.a.protocol.title}), {len(found.scenes):,} scenes"
        + (f" of {count:,} logs" if kind == "logs" else ""),
        "",
        *_table(found, percent),
        "",
        *_outcomes(found),
        verdict(found),
        "",
        f"{percent} intervals: BCa bootstrap, {found.settings['resamples']:,} resamples of {kind}, "
        f"seed {found.settings['seed']}; `detectable`: true difference found 4 times in 5",
    ]
    lines += [f"note: {note}" for note in found.notes]
    for letter, table in (("A", found.a), ("B", found.b)):
        lines += [f"note: {letter}: {note}" for note in table.notes]
    lines += [_notice(letter, notice) for letter, notice in found.notices]
    return "\n".join(lines)


def _name(table: ScoreTable) -> str:
    told = f"protocol told by its {table.told_by}" if table.told_by != "protocol=" else "protocol="
    return f"{table.label}  ({shown(table.path)}; {told})"


def _table(found: Comparison, percent: str) -> Iterator[str]:
    heads = f"{'A':>8}{'B':>9}{'A - B':>10}   {percent + ' interval':<20}{'detectable':>11}"
    yield f"{'metric':<7}{heads}{WON:>9}{LOST:>8}{TIED:>9}"
    for row in found.metrics.to_dict("records"):
        interval = f"[{row['low']:+.4f}, {row['high']:+.4f}]"
        if np.isnan(row["low"]):
            interval = "unknown"
        yield (
            f"{SHORT[row['metric']]:<7}{row['mean_a']:8.4f}{row['mean_b']:9.4f}"
            f"{row['difference']:+10.4f}   {interval:<20}{row['minimum_detectable']:11.4f}"
            f"{row[WON]:9,}{row[LOST]:8,}{row[TIED]:9,}"
        )


def _outcomes(found: Comparison) -> Iterator[str]:
    for outcome, verb in ((WON, "wins"), (LOST, "loses")):
        scenes = found.scenes[found.scenes["outcome"] == outcome]
        causes = scenes["decided_by"].value_counts()
        by = ", ".join(f"{SHORT.get(str(k), str(k))} {n:,}" for k, n in causes.items())
        yield f"A {verb} {len(scenes):,} scenes" + (f", decided by {by}" if by else "")


def verdict(found: Comparison) -> str:
    """One line: which of the two scores higher, or why that cannot be said."""
    row = found.metrics[found.metrics["metric"] == SCORE].iloc[0]
    if any(notice.level == ERROR for _, notice in found.notices):
        return "VERDICT: none; a table bears the signs of a broken evaluation (see ERROR below)"
    if row["low"] > 0 or row["high"] < 0:
        better, worse = ("A", "B") if row["difference"] > 0 else ("B", "A")
        bounds = sorted((abs(row["low"]), abs(row["high"])))
        return (
            f"VERDICT: {better} scores {abs(row['difference']):.4f} higher than {worse} "
            f"(interval {bounds[0]:.4f} to {bounds[1]:.4f})"
        )
    if (found.scenes["outcome"] == TIED).all():
        return "VERDICT: A and B score the same in every scene"
    if np.isnan(row["low"]):
        return "VERDICT: none; a single log cannot say how much another would differ"
    return (
        f"VERDICT: no difference shown; {len(found.scenes):,} scenes of this kind show one from "
        f"{row['minimum_detectable']:.4f} on"
    )


def write(found: Comparison, output: Path) -> list[Path]:
    """Write `<output>.parquet`, `.csv` and `<output>.scenes.parquet`, `.csv`.

    Raises:
        DataError: the folder cannot be written.
    """
    if output.suffix in (".parquet", ".csv"):
        output = output.with_suffix("")
    origin = {
        "protocol": found.a.protocol.name,
        "code_version": code_version(),
        "a": shown(found.a.path),
        "b": shown(found.b.path),
        "provenance_a": found.a.provenance,
        "provenance_b": found.b.provenance,
        "scenes": len(found.scenes),
        "clusters": list(found.clusters),
        **found.settings,
        "notes": [*found.notes, *(f"{letter}: {item.text}" for letter, item in found.notices)],
    }
    written = []
    for frame, middle in ((found.metrics, ""), (found.scenes, ".scenes")):
        for suffix in (".parquet", ".csv"):
            written.append(output.with_name(output.name + middle + suffix))
        write_parquet(written[-2], frame, origin)
        write_csv(written[-1], frame)
    return written

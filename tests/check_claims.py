"""Every comparison that the pages print stands in docs/claims.yaml, with its interval and command.

    python -m tests.check_claims

A comment above a paragraph or table, `<!-- claims: NAME, GROUP.ROW, GROUP.* -->`, names the records
that it prints. What looks like a comparison (an interval, ±, a signed decimal, a metric's value, "N %
less", "N times", two numbers side by side, a table of decimals) and is no record of its block, or
differs from it, is a fault. Numbers that compare nothing: `<!-- claims: none, REASON -->`.
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from tests.docs.pages import DOCS, ROOT, pages, prose

RECORDS = DOCS / "claims.yaml"
_MINUS = "\N{MINUS SIGN}"
_NUMBER = rf"(?<![\w.])[+{_MINUS}-]?(?:\d+(?:,\d{{3}})*(?:\.\d+)?|\.\d+)(?!\w|\.\d)"
_METRIC = r"(?:PDMS|EPDMS|FVD|FID|PSNR|SSIM|LPIPS)(?: of| is)? "
_COMPARED = [
    rf"{_NUMBER} … {_NUMBER}",
    rf"{_NUMBER} ?± ?{_NUMBER}",
    rf"(?<![\w.(])[+{_MINUS}]\d*\.\d+(?!\w)",
    rf"{_METRIC}{_NUMBER}(?:,? and {_NUMBER}|, {_NUMBER})*",
    rf"{_NUMBER}(?: to {_NUMBER})? ?(?:%|points?|times|x) ?"
    r"(?:as|more|less|fewer|faster|slower|higher|lower|better|worse|larger|smaller|cheaper)\b",
    rf"{_NUMBER}[^.;|]{{0,9}} (?:against|instead of|versus|vs\.?) {_NUMBER}",
]
_MARK = re.compile(r"<!-- claims: (.*?) -->", re.DOTALL)


def records(file: Path = RECORDS, sweeps: Path = DOCS / "sweeps") -> dict[str, list[float]]:
    """Numbers of every record by name, in the order in which they are printed.

    Raises:
        ValueError: a record has no command, or neither an interval nor the reason why it has none.
    """
    found: dict[str, list[float]] = {}
    for name, record in yaml.safe_load(file.read_text(encoding="utf-8")).items():
        if not record.get("command"):
            raise ValueError(f"{name} has no command")
        for row, numbers in _rows(record, sweeps):
            with_interval = len(numbers) == 3 and numbers[1] <= numbers[0] <= numbers[2]
            if not (with_interval or "means" in record or record.get("without_interval")):
                raise ValueError(f"{name}: {numbers} is no [value, low, high]; without_interval=?")
            found[f"{name}.{row}" if row else name] = numbers
    return found


def _rows(record: dict[str, Any], sweeps: Path) -> Iterator[tuple[str, list[float]]]:
    """Rows of a record: written in it, or computed from the table that its command wrote."""
    if "numbers" in record:
        yield "", record["numbers"]
    yield from record.get("rows", {}).items()
    paired = runpy.run_path(str(DOCS / "sweeps" / "paired.py"))
    paired["chosen"].__globals__["FOLDER"] = sweeps
    if "paired" in record:
        file, column, base, value, *conditions = record["paired"].split()
        table = paired["paired"](paired["chosen"](file, conditions), column, base, value)
        for row in table.itertuples():
            yield str(row[1]), [row.difference, row.low, row.high]
    if "means" in record:
        file, column, value, *conditions = record["means"].split()
        for key, values in paired["chosen"](file, conditions).groupby(column)[value]:
            yield str(key), [values.mean(), values.std(ddof=1)]
    if "columns" in record:
        file, column, value, *conditions = record["columns"].split()
        for key, values in paired["chosen"](file, conditions).groupby(column):
            yield str(key), values[value.split(",")].stack().dropna().tolist()


def faults(text: str, known: dict[str, list[float]], used: set[str]) -> Iterator[str]:
    """What is wrong with a page, without its blocks of code; names of records go into `used`."""
    names: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        marks = [mark.replace("\n", " ") for mark in _MARK.findall(block)]
        names += [name.strip() for mark in marks for name in mark.split(",")]
        block = _MARK.sub("", block).strip()
        if block:
            yield from _block_faults(block, names, known, used)
            names = []


def _block_faults(
    block: str, names: list[str], known: dict[str, list[float]], used: set[str]
) -> Iterator[str]:
    block = re.sub(r"`[^`]*`|\]\([^)]*\)|\d+ % interval", " ", block)
    compared = [span for pattern in _COMPARED for span in _spans(pattern, block)]
    if block.startswith("|"):
        compared += _table_spans(block)
    if names[:1] == ["none"]:
        return
    numbers = [(match.span(), match[0]) for match in re.finditer(_NUMBER, block)]
    covered: set[tuple[int, int]] = set()
    for name in names:
        fitting = [key for key in known if fnmatch(key, name)]
        if not fitting:
            yield f"there is no record {name} in {RECORDS.name}"
        for key in fitting:
            used.add(key)
            at = list(_places(numbers, known[key]))
            covered.update(at)
            if not at:
                yield f"{key} is not printed as recorded: {[round(n, 4) for n in known[key]]}"
    for span, printed in numbers:
        inside = any(start <= span[0] and span[1] <= end for start, end in compared)
        if inside and span not in covered:
            where = " ".join(block[max(0, span[0] - 40) : span[1] + 20].split())
            yield f"{printed} is no record's ('... {where} ...')"


def _spans(pattern: str, text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(pattern, text)]


def _table_spans(block: str) -> list[tuple[int, int]]:
    """Decimals below the header and behind the first column; integers too of what is measured."""
    rows = list(re.finditer(r"^\|[^|\n]*(\|.*)$", block, re.MULTILINE))
    measured = bool(re.search(r"FVD|FID|\[m?s\]|%", rows[0][0])) if rows else False
    found = []
    for row in rows[2:]:
        cells = [(match.span(), match[0]) for match in re.finditer(_NUMBER, row[1])]
        spans = [span for span, text in cells if measured or "." in text]
        found += [[(row.start(1) + first, row.start(1) + last) for first, last in spans]]
    return [span for spans in found for span in spans] if sum(map(bool, found)) > 1 else []


def _places(
    numbers: list[tuple[tuple[int, int], str]], wanted: list[float]
) -> Iterator[tuple[int, int]]:
    """Where numbers stand one after the other as wanted, each to the digits that are printed."""
    for first in range(len(numbers) - len(wanted) + 1):
        part = numbers[first : first + len(wanted)]
        if all(_same(text, number) for (_, text), number in zip(part, wanted, strict=True)):
            yield from (span for span, _ in part)


def _same(text: str, number: float) -> bool:
    plain = text.replace(",", "").replace(_MINUS, "-")
    digits = len(plain.partition(".")[2])
    return not pd.isna(number) and abs(float(plain) - number) <= 0.5 * 10**-digits + 1e-9


def main() -> int:
    """Print every fault; 1 where there is one."""
    known, used = records(), set[str]()
    found = [
        f"{page.relative_to(ROOT)}: {fault}"
        for page in pages()
        for fault in faults(prose(page), known, used)
    ]
    groups = {name.partition(".")[0] for name in used}
    unused = {name.partition(".")[0] for name in known} - groups
    found += [f"{RECORDS.name}: {name} is printed nowhere" for name in sorted(unused)]
    print("\n".join([*found, f"claims: {len(known)} records, {len(found)} faults"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Every comparison that the pages print stands in docs/claims.yaml, with its interval and command.

    python -m tests.check_claims

A comment above a paragraph or table, `<!-- claims: NAME, GROUP.ROW, GROUP.* -->`, names the records
that it prints. What looks like a comparison (an interval, ±, a signed decimal, a metric's value,
"N % less", "N times", a table of decimals) and is no record of its block, or differs from it, is a
fault. Numbers that compare nothing: `<!-- claims: none, REASON -->`.
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from tests.docs.pages import DOCS, ROOT, pages, prose

Known = dict[str, list[float]]
Span = tuple[int, int]
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
_MARK = re.compile(r"^<!-- claims: (.*?) -->", re.DOTALL | re.MULTILINE)
_SWEEPS = runpy.run_path(str(DOCS / "sweeps" / "paired.py"))


def records(file: Path = RECORDS) -> tuple[Known, set[str]]:
    """Numbers of every record in printed order; names of those that no command gives today."""
    found: Known = {}
    content: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    for name, record in content.items():
        if not record.get("command"):
            raise ValueError(f"{name} has no command")
        for row, numbers in _rows(record):
            with_interval = len(numbers) == 3 and numbers[1] <= numbers[0] <= numbers[2]
            if not (with_interval or "means" in record or record.get("without_interval")):
                raise ValueError(f"{name}: {numbers} is no [value, low, high]; without_interval?")
            found[f"{name}.{row}" if row else name] = numbers
    return found, {name for name, record in content.items() if record.get("no_longer")}


def _rows(record: dict[str, Any]) -> Iterator[tuple[str, list[float]]]:
    """Rows of a record: written in it, or computed from the table that its command wrote."""
    if "numbers" in record:
        yield "", record["numbers"]
    yield from record.get("rows", {}).items()
    if "paired" in record:
        file, column, base, value, *conditions = record["paired"].split()
        table = _SWEEPS["paired"](_SWEEPS["chosen"](file, conditions), column, base, value)
        yield from ((str(row[1]), list(row[2:5])) for row in table.itertuples())
    for kind in {"means", "columns"} & set(record):
        file, column, value, *conditions = record[kind].split()
        for key, part in _SWEEPS["chosen"](file, conditions).groupby(column):
            numbers = part[value.split(",")]
            both, plain = [*numbers.mean(), *numbers.std(ddof=1)], numbers.to_numpy().ravel()
            yield str(key), both if kind == "means" else [n for n in plain if n == n]


def faults(text: str, known: Known, old: set[str], used: set[str]) -> Iterator[str]:
    """What is wrong with a page without its blocks of code; records that it prints go to `used`."""
    for section in re.split(r"^#+ ", text, flags=re.MULTILINE):
        names: list[str] = []
        for block in re.split(r"\n\s*\n", section):
            names += [name.strip() for mark in _MARK.findall(block) for name in mark.split(",")]
            block = _MARK.sub("", block).strip()
            if not block:
                continue
            keys = {key for name in names for key in known if fnmatch(key, name)}
            used |= keys
            if names[:1] != ["none"]:
                lost = [name for name in names if not any(fnmatch(key, name) for key in known)]
                yield from (f"there is no record {name} in {RECORDS.name}" for name in lost)
                yield from _block_faults(block, {key: known[key] for key in keys})
            for name in old & {key.partition(".")[0] for key in keys}:
                if "no longer" not in section:
                    yield f"its section does not say that {name} is no longer what is found"
            names = []


def _block_faults(block: str, claimed: Known) -> Iterator[str]:
    block = re.sub(r"`[^`]*`|\]\([^)]*\)", " ", block)
    compared = [found.span() for pattern in _COMPARED for found in re.finditer(pattern, block)]
    compared += _table_spans(block) if block.startswith("|") else []
    numbers = [(found.span(), found[0]) for found in re.finditer(_NUMBER, block)]
    covered: set[Span] = set()
    for key, wanted in claimed.items():
        # in a table, where a line's first cell names the row of a group
        row = re.escape(key.partition(".")[2] or "-")
        label = rf"^\|[^|\n]*(?<!\w){row}(?!\w)[^|\n]*\|.*$"
        lines = [found.span() for found in re.finditer(label, block, re.MULTILINE)]
        at = [
            s for s in _places(numbers, wanted) if not lines or any(a < s[0] < b for a, b in lines)
        ]
        covered.update(at)
        if not at:
            yield f"{key} is not printed as recorded: {[round(number, 4) for number in wanted]}"
    for span, printed in numbers:
        inside = any(start <= span[0] and span[1] <= end for start, end in compared)
        if inside and span not in covered:
            where = " ".join(block[max(0, span[0] - 40) : span[1] + 20].split())
            yield f"{printed} is no record's ('... {where} ...')"


def _table_spans(block: str) -> list[Span]:
    """Decimals below the header and behind the first column; integers too of what is measured."""
    measured = bool(re.search(r"FVD|FID|\[m?s\]|\[%\]", block.partition("\n")[0]))
    found = []
    for row in list(re.finditer(r"^\|[^|\n]*(\|.*)$", block, re.MULTILINE))[2:]:
        cells = re.compile(_NUMBER).finditer(block, row.start(1), row.end())
        found.append([cell.span() for cell in cells if measured or "." in cell[0]])
    return [span for spans in found for span in spans] if sum(map(bool, found)) > 1 else []


def _places(numbers: list[tuple[Span, str]], wanted: list[float]) -> Iterator[Span]:
    """Where numbers stand one after the other as wanted, each to the digits that are printed."""
    for first in range(len(numbers) - len(wanted) + 1):
        part = numbers[first : first + len(wanted)]
        if all(_same(text, number) for (_, text), number in zip(part, wanted, strict=True)):
            yield from (span for span, _ in part)


def _same(text: str, number: float) -> bool:
    plain = text.replace(",", "").replace(_MINUS, "-")
    return abs(float(plain) - number) <= 0.5 * 10 ** -len(plain.partition(".")[2]) + 1e-9


def main() -> int:
    """Print every fault; 1 where there is one."""
    used: set[str] = set()
    known, old = records()
    told = ((page, fault) for page in pages() for fault in faults(prose(page), known, old, used))
    found = [f"{page.relative_to(ROOT)}: {fault}" for page, fault in told]
    unused = {key.partition(".")[0] for key in known} - {key.partition(".")[0] for key in used}
    found += [f"{RECORDS.name}: {name} is printed nowhere" for name in sorted(unused)]
    print("\n".join([*found, f"claims: {len(known)} records, {len(found)} faults"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
